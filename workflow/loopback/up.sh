#!/bin/bash
# A real Slurm of two nodes on this machine, to test with: its files go to DIR. Then `export SLURM_CONF=DIR/slurm.conf`.
# Debian: slurm-wlm slurm-wlm-basic-plugins munge; root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?a folder}/state"
dir=$(cd "$1" && pwd)
sed "s#@DIR@#$dir#g; s#@HOST@#$(hostname -s)#g; s#@CPUS@#$(nproc)#g" "$here/slurm.conf.in" > "$dir/slurm.conf"
# A "GPU" for each node, which is there on every machine.
echo 'NodeName=n[1-2] Name=gpu File=/dev/null' > "$dir/gres.conf"
echo 'CgroupAutomount=no' > "$dir/cgroup.conf"
export SLURM_CONF=$dir/slurm.conf
# Snakemake drops SLURM_* inside of a job, so that Slurm looks in its default place there.
mkdir -p /etc/slurm
for name in slurm gres cgroup; do ln -sf "$dir/$name.conf" "/etc/slurm/$name.conf"; done
head -c 128 /dev/urandom > "$dir/munge.key"
chmod 600 "$dir/munge.key"
# --force: others may write to the folder above (/tmp).
/usr/sbin/munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
  --seed-file="$dir/munge.seed" --log-file="$dir/munged.log" --num-threads=2
/usr/sbin/slurmctld -c
for node in n1 n2; do
  mkdir -p "$dir/spool.$node"
  /usr/sbin/slurmd -N "$node"
done
for _ in $(seq 150); do
  [ "$(sinfo -h -t idle -o %D)" = 2 ] && exit 0
  sleep 0.2
done
sinfo
tail -5 "$dir"/*.log
exit 1
