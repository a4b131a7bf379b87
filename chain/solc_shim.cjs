// Makes the WebAssembly compiler look like a native solc to py-solc-x: `--version`, and standard JSON from stdin.
// solc's own `solcjs --standard-json` prints an extra line that is not JSON.
// Usage: node solc_shim.cjs PROJECT (--version | --standard-json), with solc in PROJECT/node_modules.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const [project, command] = process.argv.slice(2);
const solc = createRequire(join(project, "package.json"))("solc");
if (command === "--version") {
  process.stdout.write(`Version: ${solc.version()}\n`);
} else {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
}
