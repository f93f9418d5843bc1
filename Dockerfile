# The program with its page and its bundled model. Build: docker build -t owlet .   Run: docker run -p 8080:8080 owlet
FROM debian:12-slim AS build
WORKDIR /owlet
COPY packages.txt ./
COPY tools ./tools
RUN bash -c '. tools/packages.sh && install_packages build'
COPY . .
RUN bash -c '. tools/packages.sh && configure build -DCMAKE_BUILD_TYPE=Release -DOWLET_TESTS=OFF && ninja -C build owlet && cmake --install build --prefix /opt/owlet'

FROM debian:12-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libfmt9 libspdlog1.10 libyaml-cpp0.7 libzstd1 zlib1g libedit2 libpcre2-8-0 libutf8proc2 libhwloc15 libcurl4 libssl3 ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/owlet /usr/local
RUN useradd owlet
USER owlet
EXPOSE 8080
ENTRYPOINT ["owlet"]
CMD ["serve", "--host", "0.0.0.0"]
