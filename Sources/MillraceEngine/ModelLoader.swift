internal import CMillraceLinux
internal import Glibc
internal import MillraceCore
internal import MillraceObservability
internal import MillraceRuntime
internal import Synchronization

/// Looks after the model files of a running pipeline on a thread of its own: a file that has changed is read, checked against
/// INPUT and OUTPUT, warmed, and given to the shards for their next batch. One that cannot be used is refused, and the old
/// model goes on.
final class ModelLoader: Sendable {
    /// Lines about contracts, shadows and canaries come this often, if there is news.
    private static let reportMicroseconds: Int64 = 60_000_000
    static let lookMilliseconds: Int32 = 250

    private let store: ModelStore
    private let log: Log
    private let clock: any Clock
    private let wakeDescriptor: Int32
    private let isStopping = Atomic<Bool>(false)
    private let isAsked = Atomic<Bool>(false)
    private let thread = Mutex<NamedThread?>(nil)
    /// By model, as last told.
    private let reported = Mutex<[String: ModelCounts]>([:])

    init(_ store: ModelStore, log: Log, clock: any Clock) {
        self.store = store
        self.log = log
        self.clock = clock
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    }

    deinit { close(wakeDescriptor) }

    /// Without model files there is nothing to do, and no thread.
    func start() {
        for use in store.uses {
            if let model = use.model { log(.info, "model loaded", ["model": use.label, "version": model.version]) }
        }
        guard store.uses.contains(where: { $0.policy != .off }) else { return }
        let started = NamedThread(name: "millrace-models") { [self] in run() }
        thread.withLock { $0 = started }
    }

    /// Reads every file anew, changed or not; from any thread.
    func reload() {
        isAsked.store(true, ordering: .releasing)
        wake()
    }

    func stop() {
        isStopping.store(true, ordering: .releasing)
        wake()
        thread.withLock { thread in
            defer { thread = nil }
            return thread
        }?.join()
        report()
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(wakeDescriptor, &one, 8)
    }

    private func run() {
        var nextReport = clock.monotonicMicroseconds() + ModelLoader.reportMicroseconds
        while !isStopping.load(ordering: .acquiring) {
            var watched = pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0)
            if poll(&watched, 1, ModelLoader.lookMilliseconds) > 0 {
                var value: UInt64 = 0
                _ = read(wakeDescriptor, &value, 8)
            }
            if isStopping.load(ordering: .acquiring) { return }
            look(isAsked: isAsked.exchange(false, ordering: .acquiringAndReleasing))
            if clock.monotonicMicroseconds() >= nextReport {
                report()
                nextReport = clock.monotonicMicroseconds() + ModelLoader.reportMicroseconds
            }
        }
    }

    /// One look at every file.
    ///
    /// - Parameter isAsked: somebody wants them read, whatever they look like.
    func look(isAsked: Bool = false) {
        for use in store.uses {
            use.freeRetired()
            switch use.policy {
            case .off: continue
            case .signal where !isAsked && !use.isPending: continue
            case .auto, .signal: break
            }
            guard isAsked || use.isDue(store.stamp(use), now: clock.monotonicMicroseconds()) else { continue }
            swap(use, isAsked: isAsked)
        }
    }

    private func swap(_ use: ModelUse, isAsked: Bool) {
        let start = clock.monotonicMicroseconds()
        let before = store.stamp(use)
        let old = use.model?.version ?? ""
        do throws(Diagnostic) {
            let model = try store.read(use)
            // Written meanwhile: it is looked at again when it stands still.
            guard ModelChange.isWhole(before: before, after: store.stamp(use)) else {
                return use.retry(isAsked: isAsked)
            }
            if model.version == old {
                use.keep(before)
                if isAsked { log(.info, "model is unchanged", ["model": use.label, "version": old]) }
                return
            }
            try use.swap(model, stamp: before)
            log(
                .info, "model swapped",
                [
                    "model": use.label, "from": old, "to": model.version,
                    "milliseconds": String((clock.monotonicMicroseconds() - start) / 1000),
                ])
        } catch {
            if before != store.stamp(use) { return use.retry(isAsked: isAsked) }
            use.refuse(before)
            log(
                .warning, "model file is refused; the old model goes on",
                ["model": use.label, "version": old, "reason": error.message])
        }
    }

    /// What contracts, canaries and shadows have come to, where there is news.
    private func report() {
        for status in store.status where status.role == .live {
            let counts = status.counts
            guard reported.withLock({ $0.updateValue(counts, forKey: status.model) ?? ModelCounts() }) != counts else {
                continue
            }
            if counts.timedOutRows + counts.overrunRows + counts.canaryRows > 0 {
                log(
                    .info, "model rows",
                    [
                        "model": status.model, "timed_out": String(counts.timedOutRows),
                        "overrun": String(counts.overrunRows), "canary": String(counts.canaryRows),
                    ])
            }
            let shadow = counts.shadow
            if shadow != ShadowCounts() {
                log(
                    .info, "shadow compared",
                    [
                        "model": status.model, "rows": String(shadow.comparedRows),
                        "disagreed": String(shadow.disagreedRows), "failed": String(shadow.failedRows),
                        "skipped": String(shadow.skippedRows),
                        "difference_mean": String(shadow.absoluteDifferenceMean),
                        "difference_max": String(shadow.absoluteDifferenceMax),
                    ])
            }
        }
    }
}
