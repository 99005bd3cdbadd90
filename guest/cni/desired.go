package main

import (
	"fmt"
	"net/netip"
	"sort"
)

// route is one wanted route to another node's pods.
type route struct {
	destination netip.Prefix
	gateway     netip.Addr
	node        string
}

// desired is everything that this node's network has to be, worked out from the Nodes alone.
type desired struct {
	own      []netip.Prefix
	routes   []route
	cluster  []netip.Prefix
	problems []string
}

// desiredFor answers false when there is no such node, or it was given no pod network yet.
func desiredFor(name string, nodes map[string]node) (desired, bool) {
	want := desired{}
	self, there := nodes[name]
	if !there || len(self.podCIDRs) == 0 {
		return want, false
	}
	want.own = self.podCIDRs
	want.cluster = append(want.cluster, self.podCIDRs...)
	for _, other := range sorted(nodes) {
		if other.name == name {
			continue
		}
		for _, destination := range other.podCIDRs {
			want.add(other, destination, self, nodes)
		}
	}
	return want, true
}

func (d *desired) add(other node, destination netip.Prefix, self node, nodes map[string]node) {
	for _, known := range d.cluster {
		if known.Overlaps(destination) {
			d.problem("%s of node %s overlaps %s, which is another node's", destination, other.name, known)
			return
		}
	}
	// Such a route would cut the nodes off from each other.
	for _, one := range nodes {
		for _, address := range one.internalIPs {
			if destination.Contains(address) {
				d.problem("%s of node %s holds the address %s of node %s", destination, other.name, address, one.name)
				return
			}
		}
	}
	d.cluster = append(d.cluster, destination)
	gateway, found := addressOf(other, destination.Addr().Is4())
	if !found {
		d.problem("node %s has no InternalIP of the family of its pod network %s", other.name, destination)
		return
	}
	for _, ours := range self.internalIPs {
		if ours == gateway {
			d.problem("node %s has this node's address %s", other.name, gateway)
			return
		}
	}
	d.routes = append(d.routes, route{destination: destination, gateway: gateway, node: other.name})
}

func (d *desired) problem(format string, arguments ...any) {
	d.problems = append(d.problems, fmt.Sprintf(format, arguments...))
}

func addressOf(one node, is4 bool) (netip.Addr, bool) {
	for _, address := range one.internalIPs {
		if address.Is4() == is4 {
			return address, true
		}
	}
	return netip.Addr{}, false
}

func sorted(nodes map[string]node) []node {
	all := make([]node, 0, len(nodes))
	for _, one := range nodes {
		all = append(all, one)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	return all
}

// span is the addresses from first up to, but not with, end; an invalid end means up to the last address there is.
type span struct{ first, end netip.Addr }

// spans merges the prefixes of one family, so that neither touch nor overlap: what an interval set of the kernel wants.
func spans(prefixes []netip.Prefix, is4 bool) []span {
	all := []span{}
	for _, prefix := range prefixes {
		if prefix.Addr().Is4() == is4 {
			all = append(all, span{prefix.Masked().Addr(), lastOf(prefix).Next()})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].first.Less(all[j].first) })
	merged := []span{}
	for _, one := range all {
		if len(merged) == 0 {
			merged = append(merged, one)
			continue
		}
		before := &merged[len(merged)-1]
		if before.end.IsValid() && before.end.Less(one.first) {
			merged = append(merged, one)
		} else if before.end.IsValid() && (!one.end.IsValid() || before.end.Less(one.end)) {
			before.end = one.end
		}
	}
	return merged
}

func lastOf(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Masked().Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}
