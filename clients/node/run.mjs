// Apart from suite.mjs, because the cases import that one while it would still be waiting for them.
import { main } from "./suite.mjs";

await main();
