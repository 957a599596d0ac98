# docker build -t cloob .
# docker run --rm -v /data:/data -w /data cloob train my.yaml
#
# For a GPU (no GPU has run the program yet): --build-arg PRESET=cuda --build-arg SETUP=--cuda, and docker run --gpus all.
FROM debian:12
ARG PRESET=release
ARG SETUP=
WORKDIR /opt/cloob
# Before the sources, so that a changed source does not download LibTorch again.
COPY tools/setup.sh tools/setup.sh
RUN tools/setup.sh ${SETUP}
COPY . .
RUN cmake --preset ${PRESET} -DCLOOB_TESTS=OFF \
  && cmake --build --preset ${PRESET} --target cloob_program \
  && cmake --install build/${PRESET} --prefix /usr/local \
  && rm -rf build
ENTRYPOINT ["cloob"]
