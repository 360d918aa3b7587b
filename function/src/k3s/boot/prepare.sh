#!/bin/sh
# Makes this server ready for k3s: learns who it is, and installs the binary.
# Its unit runs it until it succeeds, once in the life of a server.
set -eu
umask 077

config=/etc/rancher/k3s/config.yaml.d
binary=/usr/local/bin/k3s
done=/var/lib/cloud/instance/k3s-prepared

fail() {
    echo "k3s-prepare: $*" >&2
    exit 1
}

metadata() {
    curl -fsS --max-time 10 "$METADATA_URL/$1" || fail "the metadata service does not give $1"
}

has_digest() {
    [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$2" ]
}

# Who this server is.
id=$(metadata instance-id)
case $id in
'' | *[!0-9]*) fail "$id is not the id of a server" ;;
esac
name=$(metadata hostname)
[ -n "$name" ] || fail "this server has no name"

# Its address: in our network, or in the only one there is.
networks=$(metadata private-networks)
address=$(printf '%s\n' "$networks" | awk -v wanted="$NETWORK" '
    function flush() {
        if (ip != "") { count++; only = ip; if (network == wanted) ours = ip }
        ip = network = ""
    }
    /^-/ { flush(); sub(/^-/, "") }
    $1 == "ip:" { ip = $2 }
    $1 == "network:" { network = $2 }
    END { flush(); if (ours != "") print ours; else if (count == 1) print only }
')
[ -n "$address" ] || fail "this server is not in network $NETWORK yet"
interface=$(ip -4 -o address show to "$address" | awk '{ print $2; exit }')
[ -n "$interface" ] || fail "no interface has the address $address yet"

mkdir -p "$config"
{
    echo "node-name: \"$name\""
    echo "node-ip: \"$address\""
    [ "$ROLE" = agent ] || echo "advertise-address: \"$address\""
    [ "$FLANNEL" = false ] || echo "flannel-iface: \"$interface\""
    echo "kubelet-arg+:"
    echo "- \"provider-id=hcloud://$id\""
} >"$config/50-node"
mv "$config/50-node" "$config/50-node.yaml"

# etcd is initialised once: where our cluster already answers, this server joins it.
if [ "$ROLE" = init ]; then
    chmod 0700 /var/lib/rancher/k3s/server
    answer=$(mktemp)
    if curl -fsSk --max-time 10 -o "$answer" "$JOIN_URL/cacerts"; then
        has_digest "$answer" "$CA_SHA256" || fail "another cluster answers at $JOIN_URL"
        {
            echo "cluster-init: false"
            echo "server: \"$JOIN_URL\""
        } >"$config/60-join"
        mv "$config/60-join" "$config/60-join.yaml"
    fi
    rm -f "$answer"
fi

# The binary, of exactly one digest.
machine=$(uname -m)
case $machine in
x86_64) file=k3s digest=$SHA256_AMD64 ;;
aarch64) file=k3s-arm64 digest=$SHA256_ARM64 ;;
*) fail "there is no k3s for $machine" ;;
esac
[ -n "$digest" ] || fail "the SHA-256 of k3s for $machine is not given"
if ! [ -f "$binary" ] || ! has_digest "$binary" "$digest"; then
    curl -fsSL --retry 3 -o "$binary.part" "$DOWNLOAD_URL/$file" || fail "cannot download $DOWNLOAD_URL/$file"
    if ! has_digest "$binary.part" "$digest"; then
        rm -f "$binary.part"
        fail "$DOWNLOAD_URL/$file has another SHA-256 than $digest"
    fi
    chmod 0755 "$binary.part"
    mv -f "$binary.part" "$binary"
    if command -v restorecon >/dev/null; then
        restorecon "$binary"
    fi
fi

systemctl enable --now --no-block "$UNIT"
: >"$done"
