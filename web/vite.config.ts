import { defineConfig } from 'vitest/config';
import { singleFile } from './build/single_file';
import { TallyReporter } from './build/tally_reporter';

const server = process.env.OWLET_URL ?? 'http://127.0.0.1:8080';

export default defineConfig(({ mode }) => ({
  plugins: [singleFile(mode === 'site')],
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  build: {
    target: 'es2022',
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
  // `npm run dev` speaks to a running Owlet.
  server: { host: '127.0.0.1', proxy: { '/v1': server, '/health': server } },
  test: {
    include: ['src/**/*.test.{ts,tsx}'],
    environment: 'jsdom',
    testTimeout: 300_000,  // a test that hangs; how long one takes says more about the machine
    reporters: ['default', new TallyReporter()],
  },
}));
