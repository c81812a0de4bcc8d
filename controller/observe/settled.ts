/**
 * A trouble that goes on keeps the words in which it was told first. A container that crashes again
 * and again names another port and another duration each time, the kubelet has two words in turn
 * for an image that it cannot pull, the scheduler counts nodes: none of that says anything new, and
 * each would be one more write of the status, as long as the trouble lasts.
 */
import type { InferenceServiceStatus } from "../api/inferenceservice.gen.ts";
import { condition, readyType } from "./conditions.ts";
import {
  IMAGE_PULL_FAILED,
  NO_CAUSE,
  revisionTrouble,
  SCHEDULER_SAYS,
  type Trouble,
} from "./trouble.ts";
import type { View } from "./view.ts";

/** `view` with its trouble as it was told in the status `before`, if it is the same one. */
export function settled(
  view: View,
  before: InferenceServiceStatus | undefined,
  generation: number,
): View {
  const { trouble } = view;
  // While Knative has yet to make the next revision, only the component tells of this one's trouble.
  const told = ["LatestDeploymentReady", readyType(view.component)]
    .map((type) => condition(before?.conditions, type))
    .find((each) => each?.reason === trouble?.reason && each?.observedGeneration === generation);
  if (trouble === undefined || told === undefined) {
    return view;
  }
  // Of several components, the message says which.
  const words = (told.message ?? "").replace(`${view.component}: `, "");
  const message = saysNothingNew(trouble, words) ? words : trouble.message;
  const pulls = trouble.reason === IMAGE_PULL_FAILED;
  const fatal = trouble.fatal || (pulls && told.status === "False");
  return { ...view, trouble: { ...trouble, ...place(view, trouble, before), message, fatal } };
}

function saysNothingNew({ message }: Trouble, words: string): boolean {
  return (
    message.startsWith(NO_CAUSE) ||
    (ofNodes(message) === ofNodes(words) && shape(message) === shape(words))
  );
}

/** What no node offers, before the scheduler's words: it changes with the nodes alone. */
function ofNodes(sentence: string): string {
  const at = sentence.indexOf(SCHEDULER_SAYS);
  return at === -1 ? "" : sentence.slice(0, at);
}

/** A sentence without its numbers, addresses and other words that have a digit. */
function shape(sentence: string): string {
  return sentence.replaceAll(/\w*\d\w*/g, "#");
}

/** The pod and the exit code that were told, while that pod is in the same trouble. */
function place(
  { component, newest, newestPods }: View,
  { reason }: Trouble,
  before: InferenceServiceStatus | undefined,
): Pick<Trouble, "location" | "exitCode"> {
  const { location, exitCode, modelRevisionName } = before?.modelStatus?.lastFailureInfo ?? {};
  if (component !== "predictor" || location === undefined || modelRevisionName !== newest) {
    return {};
  }
  const still = newestPods.some((pod) => {
    const found = revisionTrouble([pod], undefined);
    return found?.location === location && found.reason === reason;
  });
  return still ? { location, ...(exitCode === undefined ? {} : { exitCode }) } : {};
}
