package main

import (
	"crypto/sha256"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
)

const tableName = "liquidmetal-cni"

// multicast is never masqueraded: it does not leave the link.
var multicast = []netip.Prefix{netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("ff00::/8")}

// masquerade replaces our tables in one transaction of the kernel, so there is no moment without them. What was written last is noted as the
// rule's comment: a program that was restarted finds it right and leaves it.
func (linuxNetwork) masquerade(own, cluster []netip.Prefix) (bool, error) {
	connection, err := nftables.New()
	if err != nil {
		return false, err
	}
	changed := false
	for _, family := range []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6} {
		is4 := family == nftables.TableFamilyIPv4
		ownSpans, clusterSpans := spans(own, is4), spans(append(append([]netip.Prefix{}, cluster...), multicast...), is4)
		if len(ownSpans) == 0 {
			continue
		}
		mark := fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, ownSpans, clusterSpans)))
		present, err := currentMark(connection, family)
		if err != nil {
			return false, err
		}
		if present == mark {
			continue
		}
		if err := replaceTable(connection, family, ownSpans, clusterSpans, mark); err != nil {
			return false, err
		}
		changed = true
	}
	return changed, nil
}

func currentMark(connection *nftables.Conn, family nftables.TableFamily) (string, error) {
	tables, err := connection.ListTablesOfFamily(family)
	if err != nil {
		return "", err
	}
	for _, table := range tables {
		if table.Name != tableName {
			continue
		}
		rules, err := connection.GetRules(table, &nftables.Chain{Name: "postrouting", Table: table})
		if err != nil || len(rules) != 1 {
			return "", nil
		}
		mark, _ := userdata.GetString(rules[0].UserData, userdata.TypeComment)
		return mark, nil
	}
	return "", nil
}

func replaceTable(connection *nftables.Conn, family nftables.TableFamily, own, cluster []span, mark string) error {
	// Added first, so that removing it never fails.
	table := connection.AddTable(&nftables.Table{Family: family, Name: tableName})
	connection.DelTable(table)
	connection.AddTable(table)
	chain := connection.AddChain(&nftables.Chain{
		Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	addresses := addressField{offsetSource: 12, offsetDestination: 16, length: 4, kind: nftables.TypeIPAddr}
	if family == nftables.TableFamilyIPv6 {
		addresses = addressField{offsetSource: 8, offsetDestination: 24, length: 16, kind: nftables.TypeIP6Addr}
	}
	ownSet := &nftables.Set{Table: table, Name: "own-pods", KeyType: addresses.kind, Interval: true}
	clusterSet := &nftables.Set{Table: table, Name: "cluster-pods", KeyType: addresses.kind, Interval: true}
	if err := connection.AddSet(ownSet, elements(own)); err != nil {
		return err
	}
	if err := connection.AddSet(clusterSet, elements(cluster)); err != nil {
		return err
	}
	connection.AddRule(&nftables.Rule{Table: table, Chain: chain, UserData: userdata.AppendString(nil, userdata.TypeComment, mark), Exprs: []expr.Any{
		addresses.load(addresses.offsetSource),
		&expr.Lookup{SourceRegister: 1, SetName: ownSet.Name, SetID: ownSet.ID},
		addresses.load(addresses.offsetDestination),
		&expr.Lookup{SourceRegister: 1, SetName: clusterSet.Name, SetID: clusterSet.ID, Invert: true},
		&expr.Masq{},
	}})
	return connection.Flush()
}

type addressField struct {
	offsetSource, offsetDestination, length uint32
	kind                                    nftables.SetDatatype
}

func (a addressField) load(offset uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: a.length}
}

func elements(all []span) []nftables.SetElement {
	found := []nftables.SetElement{}
	for _, one := range all {
		found = append(found, nftables.SetElement{Key: one.first.AsSlice()})
		if one.end.IsValid() {
			found = append(found, nftables.SetElement{Key: one.end.AsSlice(), IntervalEnd: true})
		}
	}
	return found
}
