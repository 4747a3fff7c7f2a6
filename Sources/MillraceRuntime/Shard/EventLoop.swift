import CMillraceLinux
import Glibc

/// epoll over a shard's descriptors: sources, sink sessions, and one for being woken from outside.
///
/// Level-triggered. Owned by one thread; only `wake` may be called from others.
final class EventLoop {
    private let epoll: Int32
    private let wakeDescriptor: Int32
    private var watched: [Int32: UInt32] = [:]
    private var ready = [Int32](repeating: 0, count: 64)
    private var masks = [UInt32](repeating: 0, count: 64)

    init() {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(epoll >= 0 && wakeDescriptor >= 0, "no descriptors left")
        _ = millrace_epoll_watch(epoll, wakeDescriptor, EPOLLIN.rawValue)
    }

    deinit {
        close(wakeDescriptor)
        close(epoll)
    }

    /// Watches `descriptor` for reading, and for writing if asked; repeated calls cost nothing. -1 is ignored.
    func watch(_ descriptor: Int32, forWriting: Bool = false) {
        guard descriptor >= 0 else { return }
        let mask = EPOLLIN.rawValue | (forWriting ? EPOLLOUT.rawValue : 0)
        guard watched[descriptor] != mask else { return }
        watched[descriptor] = mask
        _ = millrace_epoll_watch(epoll, descriptor, mask)
    }

    /// A closed descriptor leaves epoll by itself, but its number may come back for another file.
    func forget(_ descriptor: Int32) {
        guard watched.removeValue(forKey: descriptor) != nil else { return }
        _ = millrace_epoll_forget(epoll, descriptor)
    }

    /// Waits until a descriptor is ready, `wake` is called or the time has passed (microseconds; nil: for ever).
    func wait(_ timeoutMicroseconds: Int64?) {
        var milliseconds: Int32 = -1
        if let timeout = timeoutMicroseconds {
            // Rounded up: waking a little late is cheaper than spinning through the last fraction of a millisecond.
            milliseconds = Int32(clamping: (max(timeout, 0) + 999) / 1000)
        }
        let count = millrace_epoll_wait(epoll, &ready, &masks, 64, milliseconds)
        for i in 0..<Int(max(count, 0)) where ready[i] == wakeDescriptor {
            var value: UInt64 = 0
            _ = read(wakeDescriptor, &value, 8)
        }
    }

    /// `wake` for other threads.
    var waker: @Sendable () -> Void {
        // A write to an eventfd is all it does; the closure keeps the descriptor open.
        struct Handle: @unchecked Sendable { let loop: EventLoop }
        let handle = Handle(loop: self)
        return { handle.loop.wake() }
    }

    func wake() {
        var one: UInt64 = 1
        _ = write(wakeDescriptor, &one, 8)
    }
}
