/** What predictor.ts loads when gRPC is asked for. */
import { tokenCheck } from "../http/admin.ts";
import { GrpcServer } from "./server.ts";
import type { GrpcServerOptions } from "./server.ts";

/** A server that doesn't listen yet. Without a token the repository's methods are not served. */
export function openGrpc({
  token,
  ...options
}: Omit<GrpcServerOptions, "allowed"> & { readonly token: string | undefined }): GrpcServer {
  return new GrpcServer(token === undefined ? options : { ...options, allowed: tokenCheck(token) });
}
