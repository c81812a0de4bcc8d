# The images for ordinary use. `npm run image` prepares build/app/; nothing is downloaded or run here,
# so that the build needs neither a network nor a shell in the base.
#
#   npm ci && npm run image
#   docker build --target predictor -t pilotlight/predictor .
#   docker build --target controller -t pilotlight/controller .
#
# With onnxruntime's CUDA provider (docs/accelerators.md; not run by any test, which have no GPU):
#   npm run image -- cuda
#   docker build --target predictor-cuda -t pilotlight/predictor:cuda .
#
# Any base with glibc and Node 24 at /usr/local/bin/node will do.
ARG BASE_IMAGE=node:24-bookworm-slim
# onnxruntime 1.30 is built for CUDA 12 and cuDNN 9.
ARG CUDA_BASE_IMAGE=nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04

FROM ${BASE_IMAGE} AS base
ENV NODE_ENV=production
# A number, for Kubernetes cannot tell whether a name is root.
USER 10001:10001
WORKDIR /

FROM base AS controller
COPY build/app/controller/ /
ENTRYPOINT ["/opt/pilotlight/node", "/opt/pilotlight/controller.cjs"]

FROM ${CUDA_BASE_IMAGE} AS predictor-cuda
COPY --from=base /usr/local/bin/node /usr/local/bin/node
COPY build/app/predictor-cuda/ /
ENV NODE_ENV=production EXECUTION_PROVIDERS=cuda,cpu NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["/opt/pilotlight/node", "/opt/pilotlight/predictor.cjs"]

# The last stage is what is built when no target is named.
FROM base AS predictor
COPY build/app/predictor/ /
ENV NODE_COMPILE_CACHE=/opt/pilotlight/compile-cache NODE_COMPILE_CACHE_PORTABLE=1
EXPOSE 8080
ENTRYPOINT ["/opt/pilotlight/node", "/opt/pilotlight/predictor.cjs"]
