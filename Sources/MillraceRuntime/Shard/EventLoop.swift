import CMillraceLinux
import Glibc

/// epoll over a shard's descriptors: sources, sink sessions, and one for being woken from outside.
///
/// Level-triggered. Owned by one thread; only `wake` may be called from others.
final class EventLoop {
    private let epoll: Int32
    private let wakeDescriptor: Int32
    /// A handful: searching is cheaper than hashing.
    private var watched: [(descriptor: Int32, mask: UInt32)] = []
    private static let capacity = 64
    private let ready: UnsafeMutablePointer<Int32>
    /// How many descriptors the last `wait` found ready.
    private(set) var readyCount = 0

    init() {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        precondition(epoll >= 0 && wakeDescriptor >= 0, "no descriptors left")
        ready = .allocate(capacity: EventLoop.capacity)
        _ = millrace_epoll_watch(epoll, wakeDescriptor, EPOLLIN.rawValue)
    }

    deinit {
        close(wakeDescriptor)
        close(epoll)
        ready.deallocate()
    }

    /// Watches `descriptor` for reading, and for writing if asked; repeated calls cost nothing. -1 is ignored.
    func watch(_ descriptor: Int32, forWriting: Bool = false) {
        guard descriptor >= 0 else { return }
        let mask = EPOLLIN.rawValue | (forWriting ? EPOLLOUT.rawValue : 0)
        for i in watched.indices where watched[i].descriptor == descriptor {
            if watched[i].mask == mask { return }
            watched.remove(at: i)
            break
        }
        watched.append((descriptor, mask))
        _ = millrace_epoll_watch(epoll, descriptor, mask)
    }

    /// A closed descriptor leaves epoll by itself, but its number may come back for another file.
    func forget(_ descriptor: Int32) {
        for i in watched.indices where watched[i].descriptor == descriptor {
            watched.remove(at: i)
            _ = millrace_epoll_forget(epoll, descriptor)
            return
        }
    }

    /// Waits until a descriptor is ready, `wake` is called or the time has passed (microseconds; 0: only looks).
    func wait(_ timeoutMicroseconds: Int64) {
        // Rounded up: waking a little late is cheaper than spinning through the last fraction of a millisecond.
        let milliseconds = Int32(clamping: (max(timeoutMicroseconds, 0) + 999) / 1000)
        readyCount = Int(max(0, millrace_epoll_wait(epoll, ready, Int32(EventLoop.capacity), milliseconds)))
        if found(wakeDescriptor) {
            var value: UInt64 = 0
            _ = read(wakeDescriptor, &value, 8)
        }
    }

    /// True when the last `wait` found `descriptor` ready.
    func found(_ descriptor: Int32) -> Bool {
        for i in 0..<readyCount where ready[i] == descriptor { return true }
        return false
    }

    /// `wake` for other threads; it keeps the descriptor open.
    var waker: @Sendable () -> Void {
        // A write to an eventfd is all it does.
        struct Handle: @unchecked Sendable { let loop: EventLoop }
        let handle = Handle(loop: self)
        return { handle.loop.wake() }
    }

    func wake() {
        var one: UInt64 = 1
        _ = write(wakeDescriptor, &one, 8)
    }
}
