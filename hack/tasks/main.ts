/** `npm run fixtures:tasks`: writes the fixtures of the task tests anew, by Python's transformers. */
import { join } from "node:path";
import { runCommand } from "../go/command.ts";
import { ensureTasksPython, tasksPythonHindrance } from "./environment.ts";

const hindrance = await tasksPythonHindrance();
if (hindrance !== undefined) throw new Error(hindrance);
const { python, env } = await ensureTasksPython();
const script = join(import.meta.dirname, "fixtures.py");
const folder = process.argv[2] ?? join(import.meta.dirname, "../../predictor/tasks/fixtures");
await runCommand(python, [script, folder], { env });
