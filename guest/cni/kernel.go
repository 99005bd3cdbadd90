package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// routeProtocol marks our routes (`ip route show proto 76`): L of Liquid Metal. No routing daemon uses it.
const routeProtocol = 76

// linuxNetwork is the node's real network, in the network namespace that this process runs in.
type linuxNetwork struct{}

func (linuxNetwork) ownRoutes() ([]route, error) {
	found, err := netlink.RouteListFiltered(netlink.FAMILY_ALL,
		&netlink.Route{Protocol: routeProtocol, Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, err
	}
	routes := []route{}
	for _, one := range found {
		destination, good := prefixOf(one.Dst)
		gateway, reached := netip.AddrFromSlice(one.Gw)
		if good && reached {
			routes = append(routes, route{destination: destination, gateway: gateway.Unmap()})
		}
	}
	return routes, nil
}

func (linuxNetwork) onLink(gateway netip.Addr) (bool, error) {
	found, err := netlink.RouteGet(net.IP(gateway.AsSlice()))
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		return false, nil
	}
	if err != nil || len(found) == 0 {
		return false, err
	}
	return found[0].Gw == nil && found[0].Via == nil && found[0].Type == unix.RTN_UNICAST, nil
}

func (linuxNetwork) addRoute(wanted route) error {
	found, err := netlink.RouteGet(net.IP(wanted.gateway.AsSlice()))
	if err != nil {
		return err
	}
	return netlink.RouteReplace(&netlink.Route{
		Dst: networkOf(wanted.destination), Gw: net.IP(wanted.gateway.AsSlice()), LinkIndex: found[0].LinkIndex,
		Protocol: routeProtocol, Table: unix.RT_TABLE_MAIN,
	})
}

func (linuxNetwork) removeRoute(old route) error {
	err := netlink.RouteDel(&netlink.Route{
		Dst: networkOf(old.destination), Gw: net.IP(old.gateway.AsSlice()), Protocol: routeProtocol, Table: unix.RT_TABLE_MAIN,
	})
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

func (linuxNetwork) mtu(address netip.Addr) (int, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return 0, err
	}
	for _, link := range links {
		addresses, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return 0, err
		}
		for _, one := range addresses {
			if found, good := netip.AddrFromSlice(one.IP); good && found.Unmap() == address {
				return link.Attrs().MTU, nil
			}
		}
	}
	return 0, nil
}

func (linuxNetwork) forwarding(is4 bool) (bool, error) {
	file := "/proc/sys/net/ipv6/conf/all/forwarding"
	if is4 {
		file = "/proc/sys/net/ipv4/ip_forward"
	}
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)) != "0", err
}

func networkOf(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}

func prefixOf(network *net.IPNet) (netip.Prefix, bool) {
	if network == nil {
		return netip.Prefix{}, false
	}
	address, good := netip.AddrFromSlice(network.IP)
	ones, _ := network.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), ones), good
}
