import { createReadStream, createWriteStream, readdirSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Writes `.gz` and `.br` beside every file that gains by it, so that the server packs nothing while it serves. */
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    async closeBundle() {
      const files = readdirSync("dist", { recursive: true, withFileTypes: true }).filter((file) => file.isFile() && /\.(js|css|html|svg|json|txt)$/.test(file.name));
      for (const file of files) {
        const path = join(file.parentPath, file.name);
        await pipeline(createReadStream(path), createGzip({ level: 9 }), createWriteStream(`${path}.gz`));
        await pipeline(createReadStream(path), createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }), createWriteStream(`${path}.br`));
      }
    },
  };
}

export default defineConfig({
  base: "/console/",
  plugins: [react(), packed()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the page's policy takes files from its own origin only
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
  },
  server: { proxy: { "/v1": { target: "http://127.0.0.1:7777", changeOrigin: false } } },
});
