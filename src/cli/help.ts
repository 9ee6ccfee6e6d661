export const HELP = `Usage: sluice [options]

Packets: a file, or any of the others together
  -r FILE                    read a pcap/pcapng file, or all files of a folder
  -i IF                      inspect interface IF (repeatable)
  --af-packet[=IF]           inspect or bridge the interfaces of the af-packet section, or IF alone
  -q N[:M]                   decide what passes in netfilter queue N, or queues N to M (NFQUEUE, IPS; repeatable)
  --nflog[=GROUP]            inspect netfilter log group GROUP, or all of the nflog section (NFLOG, IDS; repeatable)

Configuration and rules
  -c FILE                    configuration file (default: etc/sluice.yaml)
  --include FILE             one more configuration file, read last (repeatable)
  --set KEY=VALUE            set one value, as in --dump-config (repeatable)
  -S FILE                    load the rules of FILE only (globs allowed)
  -s FILE                    load the rules of FILE besides the configured ones
  -T                         test configuration and rules, and leave
  --init-errors-fatal        do not start when a rule does not load
  --strict-rule-keywords[=..], --no-random
                             accepted: rules that do not parse never load, and nothing is random
  --disable-detection        decode and track only: no rules
  --dump-config              print the configuration as it was read, and leave

Running
  -l DIR                     folder for logs (must exist)
  --runmode MODE             autofp, workers or single
  -k all|none                check all checksums, or none
  --rule-profile             with -r: what each rule's evaluation cost, printed, and in rule_perf.log
  --simulate-ips             treat packets as inline, with nothing to hold back
  --pcap-file-continuous     with -r FOLDER: wait for new files
  --pcap-file-recursive      with -r FOLDER: go into folders below
  -D                         run in the background
  --pidfile FILE             write the process id to FILE
  --user USER, --group GROUP become USER and GROUP once everything is open
  --data-dir DIR             folder for data that is kept between runs
  -v                         say more (-v info, -vv perf, -vvv config, -vvvv debug)

Information
  -V                         version
  -h, --help                 this text
  --build-info               what this build can do
  --list-keywords            rule keywords
  --list-app-layer-protos    application-layer protocols
  --list-runmodes            run modes
`;

export const RUNMODE_LIST = `------------------------------------- Runmodes ------------------------------------------
| RunMode Type | Custom Mode | Description
|--------------|-------------|-----------------------------------------------------------
| AF_PACKET    | autofp      | Capture threads hand packets to flow-pinned workers (default)
|              | workers     | Each capture thread also detects
| NFQ          | autofp      | A thread per queue hands packets to flow-pinned workers (default)
|              | workers     | A thread per queue, which also detects
| NFLOG        | autofp      | A thread per group hands packets to flow-pinned workers (default)
|              | workers     | A thread per group, which also detects
| PCAP_FILE    | single      | One thread for everything (default for -r)
|              | autofp      | Reading thread hands packets to flow-pinned workers
-----------------------------------------------------------------------------------------
`;
