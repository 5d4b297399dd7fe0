#!/bin/bash
# A search on a Slurm cluster; what follows the script's name goes to run_search.py:
#
#   sbatch deploy/slurm.sh --suite fgvc --data-dir /shared/data --results /shared/results \
#     --checkpoint /shared/imagenet21k_ViT-B_16.npz
#
# Adapt the lines below, submit from the clone with its virtual environment activated, and submit the
# same command again to continue: after a time limit, a lost node, or to extend the search.
#SBATCH --job-name=sa2vp
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --exclusive
#SBATCH --time=24:00:00
set -euo pipefail

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(getent ahostsv4 "$head" | awk 'NR == 1 { print $1 }'):${RAY_PORT:-6379}

# One token for all nodes of this job, which only this user can read.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')

# Starts Ray on every node and the search on the first; ends Ray when the search ends.
srun --export=ALL ray symmetric-run --address "$address" --min-nodes "$SLURM_NNODES" \
  --num-cpus "$SLURM_CPUS_PER_TASK" -- python run_search.py --address "$address" "$@"
