# podman for try.sh, with a storage of its own. It needs podman, buildah, runc and iptables. podman-compose comes from
# PyPI, because Debian 12's, 1.0.3, gives a network to a service that wants none.
need podman buildah runc iptables
export BUILDAH_ISOLATION=chroot CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
# Low limits, because podman's defaults may be more than this machine allows; runc, because it takes any kind of cgroups.
cat >"$CONTAINERS_CONF" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
[network]
network_config_dir = "$work/networks"
END
cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "${STORAGE_DRIVER:-overlay}"
graphroot = "$work/storage"
runroot = "$work/run"
END
python3 -m venv "$work/compose"
"$work/compose/bin/pip" install --quiet 'podman-compose>=1.5'

import_base() { podman import --quiet - "docker.io/library/$1"; }

build_image() {
    local name=$1
    shift
    buildah bud --quiet --pull-never --network host --ignorefile packaging/container/Dockerfile.dockerignore -t "$name" "$@"
}

compose() {
    local folder=$1
    shift
    (cd "$folder" && "$work/compose/bin/podman-compose" "$@")
}

# The pod, of an image with the certificate in it, because podman 4.3 does not decode secrets.
play_pod() {
    build_image web-without-tls "$1"
    printf 'FROM localhost/web-without-tls\nCOPY tls /etc/tls\n' >"$1/Dockerfile.pod"
    build_image web -f "$1/Dockerfile.pod" "$1"
    podman play kube "$1/pod.yaml" >/dev/null
}

end_engine() {
    podman rm --all --force
    podman pod rm --all --force
    podman network prune --force
}
