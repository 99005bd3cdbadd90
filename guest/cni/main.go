// Command liquidmetal-cni keeps one node of a Kubernetes cluster connected to the pods of all others, with nothing but routes.
//
// It watches the cluster's Nodes and keeps, on its own node:
//   - a CNI configuration (bridge, host-local, portmap) for the pod networks that the node was given; written when routes and masquerading
//     stand, so the node becomes Ready when its pods can reach something;
//   - one route to every other node's pod network by way of that node's InternalIP;
//   - one nftables table that masquerades what pods send out of the cluster.
//
// It touches nothing else: its routes carry a protocol number of their own, the table and the bridge have names of their own. When it ends, everything
// stays as it is, so pods do not notice an upgrade.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set when the program is linked.
var version = "development"

type options struct {
	nodeName      string
	server        string
	kubeconfig    string
	credentials   string
	configuration string
	cluster       string
	health        string
	addresses     string
	resync        time.Duration
}

func main() {
	given, err := parse(os.Args[1:])
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "liquidmetal-cni:", err)
		}
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: eventNames}))
	if err := run(ctx, given, log); err != nil {
		log.Error("cni.failed", "error", err.Error())
		os.Exit(1)
	}
}

func parse(arguments []string) (options, error) {
	given := options{}
	flags := flag.NewFlagSet("liquidmetal-cni", flag.ContinueOnError)
	flags.StringVar(&given.nodeName, "node-name", os.Getenv("NODE_NAME"), "name of this node (default $NODE_NAME)")
	flags.StringVar(&given.server, "server", "", "URL of the API server (default: see --kubeconfig, then the cluster's service)")
	flags.StringVar(&given.kubeconfig, "kubeconfig", "", "file whose first `server:` is the API server; may be absent")
	flags.StringVar(&given.credentials, "credentials", "/var/run/secrets/kubernetes.io/serviceaccount", "folder with token and ca.crt")
	flags.StringVar(&given.configuration, "cni-directory", "/etc/cni/net.d", "folder for the CNI configuration")
	flags.StringVar(&given.addresses, "address-directory", "/run/liquidmetal-cni", "folder on this node where addresses given to pods are noted; gone after a reboot")
	flags.StringVar(&given.health, "health-address", "127.0.0.1:10390", "address of /healthz and /readyz; empty = none")
	flags.DurationVar(&given.resync, "resync", time.Minute, "how often routes and table are looked at when nothing changes")
	if err := flags.Parse(arguments); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if given.nodeName == "" {
		return options{}, errors.New("the name of this node is needed: --node-name or NODE_NAME")
	}
	if given.resync < time.Second {
		return options{}, errors.New("--resync must be at least one second")
	}
	return given, nil
}

func run(ctx context.Context, given options, log *slog.Logger) error {
	status := newStatus()
	if given.health != "" {
		stop, err := serveHealth(given.health, status)
		if err != nil {
			return err
		}
		defer stop()
	}
	log.Info("cni.started", "version", version, "node", given.nodeName)
	cluster := newCluster()
	source := newNodeSource(given, cluster, status, log)
	go source.run(ctx)
	keeper := &keeper{
		node: given.nodeName, cluster: cluster, status: status, log: log, kernel: linuxNetwork{},
		file: configurationFile{directory: given.configuration, addresses: given.addresses, log: log},
	}
	keeper.run(ctx, given.resync)
	log.Info("cni.stopped", "node", given.nodeName)
	return nil
}

// eventNames gives the log the field names that the platform's other programs use.
func eventNames(_ []string, attribute slog.Attr) slog.Attr {
	if attribute.Key == slog.MessageKey {
		attribute.Key = "event"
	}
	return attribute
}
