# The images for ordinary use. `npm run image` prepares build/app/; nothing is downloaded or run here,
# so that the build needs neither a network nor a shell in the base.
#
#   npm ci && npm run image
#   docker build --target predictor -t pilotlight/predictor .
#   docker build --target controller -t pilotlight/controller .
#
# Any base with glibc and Node 24 at /usr/local/bin/node will do.
ARG BASE_IMAGE=node:24-bookworm-slim

FROM ${BASE_IMAGE} AS base
ENV NODE_ENV=production
# A number, for Kubernetes cannot tell whether a name is root.
USER 10001:10001
WORKDIR /

FROM base AS controller
COPY build/app/controller/ /
# These keep its memory small; hack/bundle/programs.ts says why, and a test holds them equal.
ENV MALLOC_ARENA_MAX=1
ENTRYPOINT ["/opt/pilotlight/node", "--max-semi-space-size=2", "--heap-growing-percent=30", "--no-maglev", "/opt/pilotlight/controller.cjs"]

# The last stage is what is built when no target is named.
FROM base AS predictor
COPY build/app/predictor/ /
ENV NODE_COMPILE_CACHE=/opt/pilotlight/compile-cache NODE_COMPILE_CACHE_PORTABLE=1
EXPOSE 8080
ENTRYPOINT ["/opt/pilotlight/node", "/opt/pilotlight/predictor.cjs"]
