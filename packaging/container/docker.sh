# docker for try.sh, with a daemon of its own. It needs dockerd, docker with BuildKit, iptables, and compose as a plugin of
# docker or as docker-compose. DOCKER names another docker than the one in PATH. No other dockerd may run, because the two
# would meet in iptables.
need dockerd iptables "${DOCKER:-docker}"
[ ! -e /run/docker.pid ] || die "a dockerd runs already"
export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=0
docker() { command "${DOCKER:-docker}" "$@"; }
dockerd --data-root "$work/docker" --exec-root "$work/exec" --host "$DOCKER_HOST" --pidfile /run/docker.pid \
    >"$work/dockerd.log" 2>&1 &
daemon=$!
until docker version >/dev/null 2>&1; do
    kill -0 $daemon 2>/dev/null || { tail "$work/dockerd.log"; die "dockerd has ended"; }
    sleep 0.2
done

import_base() { docker import - "$1"; }

build_image() {
    local name=$1
    shift
    docker build --quiet --network host -t "$name" "$@"
}

# The example's image is built with this machine's network, as the other ones are.
compose() {
    local folder=$1
    shift
    echo "services: {web: {build: {context: ., network: host}}}" >"$folder/network.yaml"
    if docker compose version >/dev/null 2>&1; then
        docker compose --project-directory "$folder" -f "$folder/compose.yaml" -f "$folder/network.yaml" "$@"
    else
        docker-compose --project-directory "$folder" -f "$folder/compose.yaml" -f "$folder/network.yaml" "$@"
    fi
}

end_engine() {
    docker ps --all --quiet | xargs --no-run-if-empty "${DOCKER:-docker}" rm --force
    kill $daemon
    wait $daemon
    umount "$work"/exec/netns/*
    ip link delete docker0
}
