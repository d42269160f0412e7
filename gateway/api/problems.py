"""Every error of the API is an RFC 9457 problem document that names what was wrong."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from gateway.api.documents import MEDIA_TYPE, ProblemError, ProblemItem, problem

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")


def _instance(request: Request) -> str:
    return request.url.path


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101  # registered for this type
    items = [ProblemItem(parameter=error.parameter, detail=error.detail)] if error.parameter else []
    return problem(error.status, error.detail, _instance(request), items)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for this type
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, error.detail, _instance(request), headers=headers)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this type
    items = [
        # the first part of a location says only "query" or "path"
        ProblemItem(parameter=".".join(str(part) for part in e["loc"][1:]), detail=e["msg"])
        for e in error.errors()
    ]
    detail = "; ".join(f"{item.parameter}: {item.detail}" for item in items)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, _instance(request), items)


async def _on_failure(request: Request, error: Exception) -> Response:
    # the log has the traceback; what is inside is nobody's business outside
    detail = f"the gateway could not answer ({type(error).__name__}); its log says more"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, _instance(request))


def allowed_methods(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """Return the methods that some of ``routes`` has for the path of ``scope``."""
    return [
        method
        for method in METHODS
        # a copy: matching writes the path's parameters into the scope
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def install_problems(app: FastAPI) -> None:
    """Answer every failure of ``app`` with a problem document.

    The last route takes what no other did: a board mounted at ``/`` would else answer for the
    API, and hide that a path exists for another method.
    """
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(Exception, _on_failure)

    answered = list(app.router.routes)

    async def refuse(request: Request) -> Response:
        methods = allowed_methods(answered, request.scope)
        if methods:
            text = ", ".join(methods)
            detail = f"{request.method} is not answered here, only {text}"
            status = HTTPStatus.METHOD_NOT_ALLOWED
            return problem(status, detail, _instance(request), headers={"Allow": text})
        detail = "nothing is here; /api/v1/openapi.json lists what there is"
        return problem(HTTPStatus.NOT_FOUND, detail, _instance(request))

    for path in ("/api", "/api/{rest:path}", "/healthz", "/readyz", "/metrics"):
        app.router.routes.append(Route(path, refuse, methods=list(METHODS)))


def describe_problems(app: FastAPI) -> None:
    """Say in the OpenAPI document that errors have the media type of problems."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        operations = [o for path in document["paths"].values() for o in path.values()]
        for operation in operations:
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if (status == "default" or status >= "4") and "application/json" in content:
                    content[MEDIA_TYPE] = content.pop("application/json")
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it
