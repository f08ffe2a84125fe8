# multvae in a container. The wheels of jax bring CUDA: for the GPU the host needs the driver and the
# NVIDIA Container Toolkit alone.
#
#   docker build -t multvae .
#   docker run --rm -v "$PWD:/work" multvae train --data ratings.csv
#   docker build -t multvae:cuda --target cuda .
#   docker run --rm --gpus all -v "$PWD:/work" multvae:cuda doctor
FROM python:3.13-slim AS wheel
# The version comes from git.
RUN apt-get update && apt-get install --no-install-recommends -y git && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir build
COPY . /source
RUN git config --global --add safe.directory /source && python -m build --wheel --outdir /wheels /source

FROM python:3.13-slim AS base
# Anybody may run it: docker run --user "$(id -u):$(id -g)" writes files that are one's own.
RUN mkdir -m 1777 /work /cache
ENV XDG_CACHE_HOME=/cache HOME=/cache
WORKDIR /work
ENTRYPOINT ["multvae"]
CMD ["--help"]

FROM base AS cuda
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[cuda,export,optuna,serve,sklearn]"
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER nobody

FROM base AS cpu
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[baselines,export,optuna,serve,sklearn]"
USER nobody
