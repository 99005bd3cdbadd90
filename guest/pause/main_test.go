package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// A hundred children that nobody waited for are gone after one call, and a living one is left alone.
func TestReap(t *testing.T) {
	living := exec.Command("sleep", "60")
	if err := living.Start(); err != nil {
		t.Fatal(err)
	}
	defer living.Process.Kill()
	pids := map[int]bool{}
	for range 100 {
		child, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		pids[child.Pid] = true
		// WNOWAIT: the child has ended and is still there, as a zombie.
		waitEnded(t, child.Pid)
	}
	if got := reap(); got != len(pids) {
		t.Fatalf("reaped %d of %d", got, len(pids))
	}
	for pid := range pids {
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Fatalf("process %d is still there: %v", pid, err)
		}
	}
	if err := living.Process.Signal(syscall.Signal(0)); err != nil {
		t.Fatalf("the living one is gone: %v", err)
	}
}

func waitEnded(t *testing.T, pid int) {
	const pPid, wExited, wNoWait = 1, 4, 0x01000000
	var info [128]byte
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pPid, uintptr(pid), uintptr(unsafe.Pointer(&info)), wExited|wNoWait, 0, 0)
		if errno == 0 {
			return
		}
		if errno != syscall.EINTR {
			t.Fatal(errno)
		}
	}
	t.Fatal("a child did not end")
}
