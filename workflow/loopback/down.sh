#!/bin/bash
# Ends what up.sh has started in DIR.
dir=${1:?a folder}
for name in slurmd.n1 slurmd.n2 slurmctld munged; do
  [ -s "$dir/$name.pid" ] && kill "$(cat "$dir/$name.pid")" 2> /dev/null
done
sleep 1
