// SPDX-License-Identifier: Apache-2.0
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const replacement = (file: string) => fileURLToPath(new URL(`./src/replacements/${file}`, import.meta.url));

/**
 * Leaves two parts of vtk.js out.  Its reader of XML meshes pulls in a package that needs Node's
 * `events` and dies in a browser; its WebGPU backend is large and never chosen by Cornerstone3D.
 */
const slimVtk = (): Plugin => ({
  name: 'slim-vtk',
  enforce: 'pre',
  resolveId(id, importer) {
    if (/IO\/XML\/XMLPolyDataReader(\.js)?$/.test(id)) return replacement('vtkXMLPolyDataReader.ts');
    if (importer && /vtk\.js\/Rendering\/Profiles\//.test(importer) && /WebGPU\//.test(id))
      return replacement('empty.ts');
    return undefined;
  },
});

const cornerstone = ['core', 'tools', 'metadata', 'utils', 'dicom-image-loader'].map(
  (name) => `@cornerstonejs/${name}`,
);

export default defineConfig({
  base: './',
  plugins: [slimVtk(), react()],
  worker: { format: 'es', plugins: () => [slimVtk()] },
  build: { target: 'es2022', assetsInlineLimit: 0, chunkSizeWarningLimit: 4000 },
  optimizeDeps: { exclude: [...cornerstone, '@kitware/vtk.js'] },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts', 'src/**/*.test.tsx'],
    setupFiles: ['./src/test-setup.ts'],
  },
});
