# Sourced: a Docker engine for as long as the gate runs, if this machine can have one.

engine_pid=
engine_log=
engine_reason= # why there is none

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# Only what is missing is installed; where that fails the reason is kept and the gate goes on.
start_engine() {
    if command -v docker >/dev/null && engine_answers; then return; fi
    if [ "$(id -u)" != 0 ]; then
        engine_reason="no Docker engine answers, and only root may start one"
        return 1
    fi
    if ! command -v dockerd >/dev/null && ! apt_install docker.io; then
        engine_reason="Docker cannot be installed"
        return 1
    fi
    if ! iptables -t nat -L -n >/dev/null 2>&1; then
        engine_reason="iptables does not work here, and Docker needs it"
        return 1
    fi
    engine_log=$(mktemp)
    dockerd --ip 127.0.0.1 >"$engine_log" 2>&1 </dev/null &
    engine_pid=$!
    local tries
    for tries in $(seq 120); do
        if engine_answers; then return; fi
        kill -0 "$engine_pid" 2>/dev/null || break
        sleep 0.5
    done
    engine_reason="dockerd does not start here: $(tail -n 1 "$engine_log")"
    end_engine
    return 1
}

# Ends the engine that was started here, by its process id, and no other.
end_engine() {
    if [ -z "$engine_pid" ]; then return; fi
    kill "$engine_pid" 2>/dev/null || true
    wait "$engine_pid" 2>/dev/null || true
    rm -f "$engine_log"
    engine_pid=
}

# Prints the name of the image of PostgreSQL 15; made once on a machine.
postgres_image() {
    command -v debootstrap >/dev/null || apt_install debootstrap >&2 || return 1
    .ci/postgres/build
}
