import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  base: './',
  define: { 'process.env': {}, global: 'globalThis' },
  build: { chunkSizeWarningLimit: 10000, sourcemap: false },
});
