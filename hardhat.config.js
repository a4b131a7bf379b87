import { defineConfig } from "hardhat/config";
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import solc from "./chain/solc-settings.json" with { type: "json" };
import devnet from "./chain/devnet-network.json" with { type: "json" };

// The compiler is the WebAssembly build from the npm registry, so that compiling needs no download
// from anywhere else. chain/compiler.py compiles the same sources with the same settings.
const compiler = {
  version: solc.version,
  path: fileURLToPath(import.meta.resolve("solc/soljson.js")),
  settings: solc.settings,
};
const fastCompiler = {
  ...compiler,
  settings: { ...solc.settings, viaIR: false, optimizer: { enabled: false } },
};

const EXPLOITS = "tests/contracts/exploits";

// The same every time, so that a failure can be repeated, unless `make fuzz` gives another.
const seed = process.env.FUZZ_SEED;

export default defineConfig({
  solidity: {
    compilers: [compiler],
    // The tests deploy the artifacts of the contracts, so what they are compiled with themselves does not matter: fast.
    splitTestsCompilation: true,
    overrides: Object.fromEntries(
      globSync(["contracts/{,test/}*.t.sol", `${EXPLOITS}/*.t.sol`]).map((source) => [source, fastCompiler]),
    ),
  },
  test: {
    solidity: {
      profiles: {
        default: { fuzz: { runs: 256, seed }, invariant: { runs: 256, depth: 100, failOnRevert: false } },
        // `make fuzz`
        long: { fuzz: { runs: 10_000, seed }, invariant: { runs: 10_000, depth: 100, failOnRevert: false } },
      },
    },
  },
  paths: {
    sources: "./contracts",
    tests: { solidity: `./${EXPLOITS}` },
    cache: "./cache",
    artifacts: "./artifacts",
  },
  // Deadlines must pass while nobody transacts, and several transactions must fit one second.
  // `milon devnet up` starts the same network.
  networks: { node: devnet },
});
