FROM node:26.10.0-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Not --omit=optional: the binary of LMDB is an optional dependency of its package. The Node pinned for development
# is one as well, and goes: the image brings its own.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -rf node_modules/node-linux-* node_modules/.bin

FROM node:26.10.0-slim
LABEL org.opencontainers.image.title="onceward" \
      org.opencontainers.image.description="An idempotency sidecar: a reverse proxy that executes a retried HTTP request once and replays the answer."
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY bin ./bin
COPY src ./src
# By number, so that runAsNonRoot can tell. Nothing below /app is written: the root file system may be read-only.
USER 1000:1000
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
# No HEALTHCHECK: orchestrators ask /livez and /readyz on the observe port.
ENTRYPOINT ["node", "bin/onceward.js"]
CMD ["run", "--config", "/etc/onceward/onceward.yaml"]
