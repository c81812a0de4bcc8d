import { stringify } from "yaml";

/** How a client proves who it is. */
export type Identity = { readonly cert: string; readonly key: string } | { readonly token: string };

export interface KubeconfigInput {
  readonly server: string;
  /** The authority that signed the server's certificate, PEM. */
  readonly authority: string;
  readonly identity: Identity;
  readonly user: string;
  readonly namespace?: string;
}

/** The text of a kubeconfig with one context and everything inline, so that it can be moved. */
export function renderKubeconfig(input: KubeconfigInput): string {
  const { identity, user, namespace } = input;
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "pilotlight",
    clusters: [
      {
        name: "pilotlight",
        cluster: {
          server: input.server,
          "certificate-authority-data": base64(input.authority),
        },
      },
    ],
    users: [
      {
        name: user,
        user:
          "token" in identity
            ? { token: identity.token }
            : {
                "client-certificate-data": base64(identity.cert),
                "client-key-data": base64(identity.key),
              },
      },
    ],
    contexts: [
      {
        name: "pilotlight",
        context: {
          cluster: "pilotlight",
          user,
          ...(namespace === undefined ? {} : { namespace }),
        },
      },
    ],
  });
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
