"""The transport side of the city: traffic as a fluid that carries single vehicles."""
