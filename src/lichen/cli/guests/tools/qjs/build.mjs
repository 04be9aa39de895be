// JavaScript and its WIT become a component, by QuickJS: node build.mjs SOURCE FOLDER WIT WORLD OUT
import { readFileSync, writeFileSync } from "node:fs";
import { componentize } from "componentize-qjs";

const [source, folder, wit, world, out] = process.argv.slice(2);
const jsSource = readFileSync(source, "utf8");
const options = { witPath: wit, jsSource, jsPath: source, moduleRoot: folder, world, stubWasi: true, sync: true };
try {
  writeFileSync(out, (await componentize(options)).component);
} catch (error) {
  console.error(String(error?.message ?? error));
  process.exitCode = 1;
}
