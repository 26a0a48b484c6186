// Bundles src/ into the folder given (or ../static/dist) with hashed names and writes manifest.json: {"panel.js": "panel-ABC123.js", ...}.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { gzipSync } from "node:zlib";

const out = process.argv[2] || "../static/dist";
const entries = ["src/panel.js", "src/editor.js", "src/timeline.js", "src/panel.css", "src/panel.rtl.css"];

const result = await build({
  entryPoints: entries,
  bundle: true,
  minify: true,
  metafile: true,
  outdir: out,
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  format: "iife",
  target: ["chrome123", "firefox121", "safari17.5"],
  loader: { ".woff2": "file", ".svg": "dataurl" },
  legalComments: "none",
  logLevel: "warning",
});

const manifest = {};
for (const [file, info] of Object.entries(result.metafile.outputs)) {
  // Dynamic imports would be listed as entry points too; only what the pages ask for by name belongs here.
  if (entries.includes(info.entryPoint)) manifest[basename(info.entryPoint)] = basename(file);
}

// One sprite of the icons we use, instead of a 500 KB icon font.
const names = JSON.parse(readFileSync("src/icons.json", "utf8"));
let sprite = '<svg xmlns="http://www.w3.org/2000/svg">';
for (const name of names) {
  const path = `node_modules/@tabler/icons/icons/outline/${name}.svg`;
  if (!existsSync(path)) throw new Error(`error: there is no icon called "${name}"`);
  const inner = readFileSync(path, "utf8").replace(/<!--[\s\S]*?-->/g, "").match(/<svg[^>]*>([\s\S]*)<\/svg>/)[1];
  sprite += `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round">${inner.replace(/\s*\n\s*/g, "")}</symbol>`;
}
sprite += "</svg>";
const hash = createHash("sha256").update(sprite).digest("hex").slice(0, 8).toUpperCase();
manifest["icons.svg"] = `icons-${hash}.svg`;
writeFileSync(`${out}/icons-${hash}.svg`, sprite);
writeFileSync(`${out}/manifest.json`, JSON.stringify(manifest, null, 2));

// Compressed once here instead of at every request: the style sheet is 650 KB plain and 85 KB packed.
for (const file of readdirSync(out)) {
  if (/\.(js|css|svg)$/.test(file)) writeFileSync(`${out}/${file}.gz`, gzipSync(readFileSync(`${out}/${file}`), { level: 9 }));
}
