/**
 * Which errors of a write are an answer to show to people, and which are only to be tried again.
 */
import type { Refusal } from "./desired/refusal.ts";
import { ApiError } from "./kube/errors.ts";

/**
 * The refusal in `error`, or undefined for what backoff cures: conflicts, overload, no answer. A
 * missing kind, a dead webhook and a missing permission are answers too: they last until an
 * administrator acts, and the user waits in front of a status that must say so.
 */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof ApiError)) {
    return undefined;
  }
  const words = error.message.replace(/^.*?: \d{3} \w*: /, "");
  switch (error.status) {
    case 400:
    case 422:
      return { reason: "KnativeRefused", message: words };
    case 403:
      if (error.details?.causes?.some(({ reason }) => reason === "NamespaceTerminating")) {
        return {
          reason: "NamespaceTerminating",
          message: "the namespace is being deleted: nothing new can be made in it",
        };
      }
      return words.includes("denied the request")
        ? { reason: "KnativeRefused", message: words }
        : {
            reason: "Forbidden",
            message: `the controller may not write Knative Services here (${words}); check its ClusterRole and quotas`,
          };
    case 404:
      return {
        reason: "KnativeNotInstalled",
        message:
          "the cluster does not serve services.serving.knative.dev/v1: install Knative Serving",
      };
    case 413:
      return tooLarge(words);
    case 500:
      if (words.includes("request is too large")) {
        return tooLarge(words);
      }
      // A field of the wrong type comes as an internal error from server-side apply.
      if (words.includes("failed to create typed patch object")) {
        return { reason: "KnativeRefused", message: words };
      }
      return words.includes("failed calling webhook")
        ? {
            reason: "KnativeUnavailable",
            message: `Knative's webhook does not answer: ${words}; see kubectl get pods -n knative-serving`,
          }
        : undefined;
    default:
      return undefined;
  }
}

function tooLarge(words: string): Refusal {
  return {
    reason: "ObjectTooLarge",
    message: `the Knative Service would be larger than the API server stores (${words}): put long values into a ConfigMap or a Secret`,
  };
}
