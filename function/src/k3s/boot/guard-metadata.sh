#!/bin/sh
# Keeps pods away from the metadata service: it hands out this server's user data, and with
# it the way into the cluster. What a pod sends is forwarded; what the host sends is not.
set -eu

address=169.254.169.254
if command -v nft >/dev/null; then
    nft -f - <<RULES
table ip k3s_metadata
flush table ip k3s_metadata
table ip k3s_metadata {
    chain forward {
        type filter hook forward priority -10; policy accept;
        ip daddr $address drop
    }
}
RULES
elif command -v iptables >/dev/null; then
    iptables -w -C FORWARD -d "$address" -j DROP 2>/dev/null ||
        iptables -w -I FORWARD -d "$address" -j DROP
else
    echo "guard-metadata: neither nft nor iptables is there: use an image that has one" >&2
    exit 1
fi
