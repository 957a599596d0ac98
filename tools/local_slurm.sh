#!/bin/bash
# Starts Slurm on this machine alone, for trying 'srun cloob train ...' (as root, on Debian):
#   apt-get install slurm-wlm munge; tools/local_slurm.sh start; srun -n 2 ...; tools/local_slurm.sh stop
# It has one node with every processor twice, so that two ranks and a second job fit on small machines.
set -euo pipefail
state=/tmp/cloob_slurm
export SLURM_CONF=$state/slurm.conf

stop() {
  for daemon in slurmd slurmctld munged; do pkill -x "$daemon" || true; done
}

start() {
  stop
  sleep 1
  mkdir -p $state/controller $state/node /run/munge
  [[ -f /etc/munge/munge.key ]] || dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none
  chown -R munge: /etc/munge /run/munge /var/log/munge /var/lib/munge
  chmod 400 /etc/munge/munge.key
  runuser -u munge -- munged
  local host cpus
  host=$(hostname -s)
  cpus=$(nproc)
  cat > "$SLURM_CONF" <<CONF
ClusterName=cloob
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/node
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=30
JobRequeue=1
MinJobAge=60
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=$((2 * cpus)) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP PreemptMode=OFF
CONF
  slurmctld
  slurmd
  for _ in $(seq 30); do
    [[ $(sinfo -h -o %T 2>/dev/null) == idle ]] && { echo "Slurm runs; SLURM_CONF=$SLURM_CONF"; return; }
    sleep 1
  done
  echo "Slurm did not start: see $state/*.log" >&2
  exit 1
}

case ${1:-} in
  start | stop) "$1" ;;
  *) echo "usage: tools/local_slurm.sh start|stop" >&2; exit 2 ;;
esac
