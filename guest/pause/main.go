// Pause is the first process of every pod: it holds the pod's namespaces while containers come and go, and buries the processes that they leave behind.
//
// It ends with 0 on SIGTERM and SIGINT. Where containers share a PID namespace it is process 1 there: orphans become its children, and who does not wait
// for them fills the process table.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set when it is linked.
var version = "unknown"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-v" {
		fmt.Println("pause " + version)
		return
	}
	// One slot a kind: a signal that comes while one of its kind is waiting says nothing new.
	ends := make(chan os.Signal, 1)
	children := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(children, syscall.SIGCHLD)
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "pause: warning: it should be the first process")
	}
	reap()
	for {
		select {
		case <-children:
			reap()
		case <-ends:
			return
		}
	}
}

// reap waits for every child that has ended, and says how many there were.
func reap() int {
	for count := 0; ; {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return count
		}
		count++
	}
}
