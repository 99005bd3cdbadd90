package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sort"
	"time"
)

// kernel is what the keeper changes on this node.
type kernel interface {
	// ownRoutes are the routes that carry our protocol number.
	ownRoutes() ([]route, error)
	// onLink says whether an address is reached without a router, and the MTU of the way there.
	onLink(gateway netip.Addr) (bool, error)
	addRoute(route) error
	removeRoute(route) error
	// masquerade makes the table what it has to be; it answers whether that was a change.
	masquerade(own, cluster []netip.Prefix) (bool, error)
	// mtu of the interface that has the address.
	mtu(address netip.Addr) (int, error)
	forwarding(is4 bool) (bool, error)
}

// keeper makes the node's network what the cluster's Nodes say, again and again. A failure of one part does not stop the others; it is tried again.
type keeper struct {
	node    string
	cluster *cluster
	status  *status
	log     *slog.Logger
	kernel  kernel
	file    configurationFile
	said    map[string]bool
}

const retryAfter = 2 * time.Second

func (k *keeper) run(ctx context.Context, resync time.Duration) {
	next := time.NewTimer(resync)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.cluster.changed:
		case <-next.C:
		}
		if k.keep() {
			next.Reset(resync)
		} else {
			next.Reset(min(retryAfter, resync))
		}
	}
}

// keep does everything once; false = something failed and is worth another try soon.
func (k *keeper) keep() bool {
	nodes, synced := k.cluster.snapshot()
	if !synced {
		return true
	}
	want, ready := desiredFor(k.node, nodes)
	if !ready {
		text := fmt.Sprintf("node %s has no pod network yet: kube-controller-manager gives it one (--allocate-node-cidrs)", k.node)
		k.report([]string{text})
		return true
	}
	problems := want.problems
	unreachable, failed := k.keepRoutes(want.routes)
	problems = append(problems, unreachable...)
	changed, err := k.kernel.masquerade(want.own, want.cluster)
	if err != nil {
		failed = append(failed, "masquerading: "+err.Error())
	} else if changed {
		k.log.Info("cni.masquerading", "own", texts(want.own), "cluster", texts(want.cluster))
	}
	for _, prefix := range want.own {
		if on, err := k.kernel.forwarding(prefix.Addr().Is4()); err == nil && !on {
			problems = append(problems, fmt.Sprintf("this node does not forward packets for %s: set net.ipv4.ip_forward or net.ipv6.conf.all.forwarding", prefix))
		}
	}
	// Last, because the node becomes Ready by it. Without masquerading pods would be cut off from the world outside.
	if err == nil {
		if err := k.keepConfiguration(want, nodes[k.node]); err != nil {
			failed = append(failed, "CNI configuration: "+err.Error())
		}
	}
	k.report(append(problems, failed...))
	return len(failed) == 0
}

func (k *keeper) keepRoutes(wanted []route) (unreachable, failed []string) {
	present, err := k.kernel.ownRoutes()
	if err != nil {
		return nil, []string{"routes: " + err.Error()}
	}
	there := map[route]bool{}
	for _, one := range present {
		one.node = ""
		there[one] = true
	}
	for _, one := range wanted {
		key := route{destination: one.destination, gateway: one.gateway}
		if there[key] {
			delete(there, key)
			continue
		}
		onLink, err := k.kernel.onLink(one.gateway)
		if err != nil || !onLink {
			unreachable = append(unreachable, fmt.Sprintf(
				"node %s (%s) is not on the same layer-2 network as this node: its pods %s cannot be reached; a CNI with an overlay is needed there",
				one.node, one.gateway, one.destination))
			continue
		}
		if err := k.kernel.addRoute(one); err != nil {
			failed = append(failed, fmt.Sprintf("route to %s: %s", one.destination, err))
			continue
		}
		k.log.Info("cni.route_added", "node", one.node, "destination", one.destination.String(), "gateway", one.gateway.String())
		// Replaced in place: the old one is not there any more.
		for old := range there {
			if old.destination == one.destination {
				delete(there, old)
			}
		}
	}
	for old := range there {
		if err := k.kernel.removeRoute(old); err != nil {
			failed = append(failed, fmt.Sprintf("removing the route to %s: %s", old.destination, err))
			continue
		}
		k.log.Info("cni.route_removed", "destination", old.destination.String(), "gateway", old.gateway.String())
	}
	return unreachable, failed
}

func (k *keeper) keepConfiguration(want desired, self node) error {
	mtu := 0
	for _, address := range self.internalIPs {
		if found, err := k.kernel.mtu(address); err == nil && found > 0 {
			mtu = found
			break
		}
	}
	changed, err := k.file.write(want.own, mtu)
	if err != nil {
		return err
	}
	if changed {
		k.log.Info("cni.configuration_written", "file", k.file.path(), "podCIDRs", texts(want.own), "mtu", mtu)
	}
	k.status.configured()
	return nil
}

// report says each problem once, and once more when it is over.
func (k *keeper) report(problems []string) {
	sort.Strings(problems)
	now := map[string]bool{}
	for _, text := range problems {
		now[text] = true
		if !k.said[text] {
			k.log.Warn("cni.problem", "problem", text)
		}
	}
	for text := range k.said {
		if !now[text] {
			k.log.Info("cni.problem_over", "problem", text)
		}
	}
	k.said = now
	k.status.problems(problems)
}

func texts(prefixes []netip.Prefix) []string {
	all := make([]string, len(prefixes))
	for i, prefix := range prefixes {
		all[i] = prefix.String()
	}
	return all
}
