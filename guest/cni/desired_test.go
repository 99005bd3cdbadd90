package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func prefixes(texts ...string) []netip.Prefix {
	all := []netip.Prefix{}
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func aNode(name, address string, cidrs ...string) node {
	one := node{name: name, podCIDRs: prefixes(cidrs...)}
	for _, text := range strings.Fields(address) {
		one.internalIPs = append(one.internalIPs, netip.MustParseAddr(text))
	}
	return one
}

func nodesOf(all ...node) map[string]node {
	found := map[string]node{}
	for _, one := range all {
		found[one.name] = one
	}
	return found
}

func TestRoutesLeadToTheOtherNodesInBothFamilies(t *testing.T) {
	want, ready := desiredFor("a", nodesOf(
		aNode("a", "192.0.2.1 2001:db8::1", "10.244.0.0/24", "fd00:10::/64"),
		aNode("b", "192.0.2.2 2001:db8::2", "10.244.1.0/24", "fd00:11::/64"),
	))
	if !ready || len(want.problems) > 0 {
		t.Fatalf("ready %v, problems %v", ready, want.problems)
	}
	expected := []route{
		{destination: netip.MustParsePrefix("10.244.1.0/24"), gateway: netip.MustParseAddr("192.0.2.2"), node: "b"},
		{destination: netip.MustParsePrefix("fd00:11::/64"), gateway: netip.MustParseAddr("2001:db8::2"), node: "b"},
	}
	if !slices.Equal(want.routes, expected) {
		t.Fatalf("%v", want.routes)
	}
}

func TestANodeWithoutPodNetworkIsNotReady(t *testing.T) {
	if _, ready := desiredFor("a", nodesOf(aNode("a", "192.0.2.1"))); ready {
		t.Fatal("ready")
	}
	if _, ready := desiredFor("missing", nodesOf()); ready {
		t.Fatal("ready")
	}
}

func TestRoutesThatWouldCutNodesOffAreRefused(t *testing.T) {
	for _, bad := range []node{
		aNode("b", "192.0.2.2", "192.0.2.0/24"),
		aNode("b", "192.0.2.2", "0.0.0.0/0"),
		aNode("b", "192.0.2.2", "10.244.0.0/16"),
		aNode("b", "192.0.2.1", "10.244.1.0/24"),
		aNode("b", "2001:db8::2", "10.244.1.0/24"),
	} {
		want, _ := desiredFor("a", nodesOf(aNode("a", "192.0.2.1", "10.244.0.0/24"), bad))
		if len(want.routes) != 0 || len(want.problems) != 1 {
			t.Errorf("%v: routes %v, problems %v", bad, want.routes, want.problems)
		}
	}
}

func TestSpansAreMergedForTheKernel(t *testing.T) {
	found := spans(prefixes("10.0.2.0/24", "10.0.0.0/24", "10.0.1.0/24", "10.0.1.128/25", "10.9.0.0/16", "fd00::/8"), true)
	expected := []span{
		{netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("10.0.3.0")},
		{netip.MustParseAddr("10.9.0.0"), netip.MustParseAddr("10.10.0.0")},
	}
	if !slices.Equal(found, expected) {
		t.Fatalf("%v", found)
	}
	all := spans(prefixes("ff00::/8"), false)
	if len(all) != 1 || all[0].end.IsValid() {
		t.Fatalf("the last address of all: %v", all)
	}
}

func TestTheConfigurationIsReplacedWholeAndOnlyWhenItChanges(t *testing.T) {
	directory := t.TempDir()
	file := configurationFile{directory: directory, addresses: "/run/x", log: quiet()}
	for _, expected := range []bool{true, false} {
		if changed, err := file.write(prefixes("10.244.0.0/24", "fd00::/64"), 1450); err != nil || changed != expected {
			t.Fatalf("changed %v, %v", changed, err)
		}
	}
	entries, _ := os.ReadDir(directory)
	if len(entries) != 1 || entries[0].Name() != "10-liquidmetal.conflist" {
		t.Fatalf("%v", entries)
	}
	text, _ := os.ReadFile(filepath.Join(directory, "10-liquidmetal.conflist"))
	var read struct {
		Plugins []struct {
			Type        string
			MTU         int
			HairpinMode bool
			IPMasq      bool
			IPAM        struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	bridge := read.Plugins[0]
	if bridge.Type != "bridge" || bridge.MTU != 1450 || !bridge.HairpinMode || bridge.IPMasq || len(bridge.IPAM.Ranges) != 2 || read.Plugins[1].Type != "portmap" {
		t.Fatalf("%s", text)
	}
}

// aKernel fails where it is told to.
type aKernel struct {
	routes     []route
	far        map[netip.Addr]bool
	masquerErr error
}

func (k *aKernel) ownRoutes() ([]route, error)             { return slices.Clone(k.routes), nil }
func (k *aKernel) onLink(gateway netip.Addr) (bool, error) { return !k.far[gateway], nil }
func (k *aKernel) addRoute(one route) error {
	k.routes = append(k.routes, route{destination: one.destination, gateway: one.gateway})
	return nil
}
func (k *aKernel) removeRoute(old route) error {
	k.routes = slices.DeleteFunc(k.routes, func(one route) bool { return one == old })
	return nil
}
func (k *aKernel) masquerade(_, _ []netip.Prefix) (bool, error) { return false, k.masquerErr }
func (k *aKernel) mtu(netip.Addr) (int, error)                  { return 1500, nil }
func (k *aKernel) forwarding(bool) (bool, error)                { return true, nil }

func aKeeper(t *testing.T, kernel *aKernel) *keeper {
	return &keeper{
		node: "a", cluster: newCluster(), status: newStatus(), log: quiet(), kernel: kernel,
		file: configurationFile{directory: t.TempDir(), addresses: "/run/x", log: quiet()},
	}
}

func TestRoutesOfNodesThatAreGoneAreRemoved(t *testing.T) {
	kernel := &aKernel{}
	keeper := aKeeper(t, kernel)
	a, b := aNode("a", "192.0.2.1", "10.244.0.0/24"), aNode("b", "192.0.2.2", "10.244.1.0/24")
	keeper.cluster.replace([]node{a, b})
	if !keeper.keep() || len(kernel.routes) != 1 {
		t.Fatalf("%v", kernel.routes)
	}
	keeper.cluster.remove("b")
	if !keeper.keep() || len(kernel.routes) != 0 {
		t.Fatalf("%v", kernel.routes)
	}
}

func TestANodeBehindARouterIsSaid(t *testing.T) {
	keeper := aKeeper(t, &aKernel{far: map[netip.Addr]bool{netip.MustParseAddr("198.51.100.2"): true}})
	keeper.cluster.replace([]node{aNode("a", "192.0.2.1", "10.244.0.0/24"), aNode("b", "198.51.100.2", "10.244.1.0/24")})
	keeper.keep()
	known, _ := keeper.status.now()
	if len(known.Problems) != 1 || !strings.Contains(known.Problems[0], "layer-2") || !known.Configured {
		t.Fatalf("%+v", known)
	}
}

func TestWithoutMasqueradingTheNodeDoesNotBecomeReady(t *testing.T) {
	kernel := &aKernel{masquerErr: errors.New("no nf_tables")}
	keeper := aKeeper(t, kernel)
	keeper.cluster.replace([]node{aNode("a", "192.0.2.1", "10.244.0.0/24")})
	if keeper.keep() {
		t.Fatal("nothing to try again")
	}
	if known, _ := keeper.status.now(); known.Configured {
		t.Fatal("configured")
	}
	kernel.masquerErr = nil
	if known, _ := keeper.status.now(); !keeper.keep() || known.Configured {
		t.Fatal("not mended")
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
