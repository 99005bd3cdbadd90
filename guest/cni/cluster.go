package main

import (
	"net/netip"
	"sync"
)

// node is what there is to know of a Node: its pod networks and its addresses in the order of the API.
type node struct {
	name        string
	podCIDRs    []netip.Prefix
	internalIPs []netip.Addr
}

// cluster holds all Nodes as last heard of. Whoever waits on changed learns that something is different, not what.
type cluster struct {
	mutex   sync.Mutex
	nodes   map[string]node
	synced  bool
	changed chan struct{}
}

func newCluster() *cluster {
	return &cluster{nodes: map[string]node{}, changed: make(chan struct{}, 1)}
}

// replace takes a complete list.
func (c *cluster) replace(nodes []node) {
	c.mutex.Lock()
	c.nodes = make(map[string]node, len(nodes))
	for _, one := range nodes {
		c.nodes[one.name] = one
	}
	c.synced = true
	c.mutex.Unlock()
	c.signal()
}

func (c *cluster) put(one node) {
	c.mutex.Lock()
	known, there := c.nodes[one.name]
	c.nodes[one.name] = one
	c.mutex.Unlock()
	if !there || !same(known, one) {
		c.signal()
	}
}

func (c *cluster) remove(name string) {
	c.mutex.Lock()
	_, there := c.nodes[name]
	delete(c.nodes, name)
	c.mutex.Unlock()
	if there {
		c.signal()
	}
}

// snapshot answers false until the first complete list.
func (c *cluster) snapshot() (map[string]node, bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	nodes := make(map[string]node, len(c.nodes))
	for name, one := range c.nodes {
		nodes[name] = one
	}
	return nodes, c.synced
}

func (c *cluster) signal() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func same(a, b node) bool {
	if len(a.podCIDRs) != len(b.podCIDRs) || len(a.internalIPs) != len(b.internalIPs) {
		return false
	}
	for i := range a.podCIDRs {
		if a.podCIDRs[i] != b.podCIDRs[i] {
			return false
		}
	}
	for i := range a.internalIPs {
		if a.internalIPs[i] != b.internalIPs[i] {
			return false
		}
	}
	return true
}
