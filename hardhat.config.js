import { defineConfig } from "hardhat/config";
import { fileURLToPath } from "node:url";
import solc from "./chain/solc-settings.json" with { type: "json" };
import devnet from "./chain/devnet-network.json" with { type: "json" };

// The compiler is the WebAssembly build from the npm registry, so that compiling needs no download
// from anywhere else. chain/compiler.py compiles the same sources with the same settings.
export default defineConfig({
  solidity: {
    version: solc.version,
    path: fileURLToPath(import.meta.resolve("solc/soljson.js")),
    settings: solc.settings,
  },
  paths: { sources: "./contracts", cache: "./cache", artifacts: "./artifacts" },
  // Deadlines must pass while nobody transacts, and several transactions must fit one second.
  // `milon devnet up` starts the same network.
  networks: { node: devnet },
});
