import CMillraceLinux
import Glibc

/// SIGINT and SIGTERM as something to wait for, instead of handlers that may do almost nothing.
struct StopSignals: ~Copyable {
    private let descriptor: Int32

    /// Call before any thread starts: threads inherit the mask, so the signals reach only this descriptor.
    ///
    /// - Parameter hangup: also SIGHUP: the end of the terminal, or the wish that files be read anew.
    init(hangup: Bool = false) {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        if hangup { sigaddset(&set, SIGHUP) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
        descriptor = signalfd(-1, &set, Int32(SFD_NONBLOCK | SFD_CLOEXEC))
    }

    deinit { close(descriptor) }

    enum Event { case signal(Int32), finished, request, timeout }

    /// Waits for a signal, for `finished` or `requests` to become readable (-1: none), or for the time to pass (-1: for ever).
    func wait(finished: Int32, requests: Int32 = -1, milliseconds: Int32 = -1) -> Event {
        var watched = [descriptor, finished, requests].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        guard poll(&watched, nfds_t(watched.count), milliseconds) > 0 else { return .timeout }
        if watched[1].revents != 0 { return .finished }
        if watched[0].revents == 0 { return .request }
        var info = signalfd_siginfo()
        _ = read(descriptor, &info, MemoryLayout<signalfd_siginfo>.size)
        return .signal(Int32(info.ssi_signo))
    }
}
