package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

const (
	bridgeName        = "lmcni0"
	configurationName = "10-liquidmetal.conflist"
)

// configurationFile is the CNI configuration of this node. It is replaced whole: a runtime never reads half of it.
type configurationFile struct {
	directory string
	// Where host-local notes the addresses that it gave: lost at a reboot, as the pods that had them are.
	addresses string
	log       *slog.Logger
}

func (f configurationFile) path() string { return filepath.Join(f.directory, configurationName) }

// write answers whether the file had to be changed.
func (f configurationFile) write(own []netip.Prefix, mtu int) (bool, error) {
	text, err := conflist(own, mtu, f.addresses)
	if err != nil {
		return false, err
	}
	present, err := os.ReadFile(f.path())
	if err == nil && bytes.Equal(present, text) {
		return false, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if err := os.MkdirAll(f.directory, 0o755); err != nil {
		return false, err
	}
	f.warnOfOthers()
	return true, replaceFile(f.path(), text)
}

// warnOfOthers: runtimes take the first configuration by name.
func (f configurationFile) warnOfOthers() {
	entries, err := os.ReadDir(f.directory)
	if err != nil {
		return
	}
	names := []string{}
	for _, entry := range entries {
		name := entry.Name()
		if name < configurationName && (strings.HasSuffix(name, ".conf") || strings.HasSuffix(name, ".conflist") || strings.HasSuffix(name, ".json")) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	if len(names) > 0 {
		f.log.Warn("cni.other_configuration", "files", names, "consequence", "runtimes use the first by name, and so not "+configurationName)
	}
}

func conflist(own []netip.Prefix, mtu int, addresses string) ([]byte, error) {
	type object = map[string]any
	ranges, routes := []any{}, []any{}
	for _, prefix := range own {
		ranges = append(ranges, []any{object{"subnet": prefix.String()}})
		everywhere := "::/0"
		if prefix.Addr().Is4() {
			everywhere = "0.0.0.0/0"
		}
		routes = append(routes, object{"dst": everywhere})
	}
	bridge := object{
		"type": "bridge", "bridge": bridgeName, "isGateway": true, "hairpinMode": true, "ipMasq": false,
		"ipam": object{"type": "host-local", "dataDir": addresses, "ranges": ranges, "routes": routes},
	}
	if mtu > 0 {
		bridge["mtu"] = mtu
	}
	portmap := object{"type": "portmap", "capabilities": object{"portMappings": true}}
	text, err := json.MarshalIndent(object{"cniVersion": "1.0.0", "name": "liquidmetal", "plugins": []any{bridge, portmap}}, "", "  ")
	return append(text, '\n'), err
}

func replaceFile(path string, text []byte) error {
	// No runtime reads a file of this ending.
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(text)
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
