// A core module and its WIT become a component: node build.mjs CORE WIT WORLD OUT
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [core, wit, world, out] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const vendored = join(here, "node_modules/@bytecodealliance/jco-transpile/vendor/wasm-tools.js");
try {
  const { $init, tools } = await import(pathToFileURL(vendored));
  await $init;
  const options = { binary: readFileSync(core), witSource: readFileSync(wit, "utf8"), worldName: world };
  writeFileSync(out, tools.componentNew(tools.componentEmbed(options), []));
} catch (error) {
  console.error(String(error?.payload ?? error?.message ?? error));
  process.exitCode = 1;
}
