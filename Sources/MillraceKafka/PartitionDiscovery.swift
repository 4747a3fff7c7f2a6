internal import CLibrdkafka
import CMillraceLinux
import Glibc
import MillraceCore
import MillraceRuntime
import Synchronization

/// A thread that asks from time to time which partitions exist, and leaves new ones in a mailbox for the source; and that
/// finds out, while the brokers are away, when they answer again.
///
/// - Note: `@unchecked Sendable`: the fields are constant but for `mailbox` and `hasMail`, which guard themselves, and
///   `thread`, which only the owning thread touches. librdkafka allows metadata requests from any thread.
final class PartitionDiscovery: @unchecked Sendable {
    struct Found: Sendable {
        var partition: SourcePartition
        /// The first offset there is.
        var start: Int64
        /// The end when it was asked.
        var end: Int64
    }

    private let client: OpaquePointer
    private let wake: Int32
    private let stopDescriptor: Int32
    /// Readable when the source has asked for `awaitBrokers`.
    private let outageDescriptor: Int32
    private let hasAnswer = Atomic<Bool>(false)
    private let selection: TopicSelection
    /// 0: new partitions are not looked for.
    private let intervalMicroseconds: Int64
    private var known: Set<SourcePartition>
    private let mailbox = Mutex<[Found]>([])
    private let hasMail = Atomic<Bool>(false)
    private var thread: NamedThread?
    private let requestTopics: () -> [String: [Int32]]

    /// - Parameter client: stays open until `stop` has returned.
    init(client: KafkaClient, selection: TopicSelection, known: [SourcePartition], intervalMicroseconds: Int64) {
        self.client = client.raw
        wake = client.descriptor
        stopDescriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        outageDescriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        self.selection = selection
        self.known = Set(known)
        self.intervalMicroseconds = intervalMicroseconds
        requestTopics = { [unowned client] in
            guard selection.pattern == nil else {
                return client.requestTopics(named: nil, timeoutMilliseconds: 2_000).topics ?? [:]
            }
            var all: [String: [Int32]] = [:]
            for topic in selection.topics {
                let answer = client.requestTopics(named: topic, timeoutMilliseconds: 2_000).topics ?? [:]
                all.merge(answer) { _, new in new }
            }
            return all
        }
    }

    func start() { thread = NamedThread(name: "kafka-discovery") { [self] in run() } }

    /// Ends the thread; waits for a request that is under way (at most a few seconds).
    func stop() {
        guard let thread else { return }
        var one: UInt64 = 1
        _ = write(stopDescriptor, &one, 8)
        thread.join()
        self.thread = nil
    }

    deinit {
        _ = Glibc.close(stopDescriptor)
        _ = Glibc.close(outageDescriptor)
    }

    /// Asks the brokers until they answer; then `takeAnswer` gives true once. An idle reader hears of it in no other way:
    /// librdkafka tells of lost brokers, not of found ones.
    func awaitBrokers() {
        var one: UInt64 = 1
        _ = write(outageDescriptor, &one, 8)
    }

    @inline(__always)
    func takeAnswer() -> Bool {
        guard hasAnswer.load(ordering: .relaxed) else { return false }
        return hasAnswer.exchange(false, ordering: .acquiring)
    }

    /// New partitions since the last call; one atomic load when there are none.
    @inline(__always)
    func take() -> [Found] {
        guard hasMail.load(ordering: .acquiring) else { return [] }
        return takeAll()
    }

    private func takeAll() -> [Found] {
        mailbox.withLock { found in
            hasMail.store(false, ordering: .relaxed)
            defer { found.removeAll() }
            return found
        }
    }

    private static let outageMilliseconds: Int32 = 500

    private func run() {
        let interval = intervalMicroseconds == 0 ? -1 : Int32(clamping: max(1, intervalMicroseconds / 1000))
        var isAway = false
        while true {
            var watched = [
                pollfd(fd: stopDescriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: outageDescriptor, events: Int16(POLLIN), revents: 0),
            ]
            let ready = Glibc.poll(&watched, 2, isAway ? PartitionDiscovery.outageMilliseconds : interval)
            if watched[0].revents != 0 { return }
            if ready < 0 { continue }  // interrupted by a signal
            if ready > 0 {
                var count: UInt64 = 0
                _ = read(outageDescriptor, &count, 8)
                isAway = true
            } else if !isAway {
                look()
            } else if !requestTopics().isEmpty {
                isAway = false
                hasAnswer.store(true, ordering: .releasing)
                var one: UInt64 = 1
                _ = write(wake, &one, 8)
            }
        }
    }

    private func look() {
        var found: [Found] = []
        for partition in selection.select(from: requestTopics()) where !known.contains(partition) {
            var low: Int64 = 0
            var high: Int64 = 0
            let code = rd_kafka_query_watermark_offsets(
                client, partition.topic, partition.partition, &low, &high, 2_000)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { continue }  // again at the next turn
            known.insert(partition)
            found.append(Found(partition: partition, start: low, end: high))
        }
        guard !found.isEmpty else { return }
        mailbox.withLock { $0 += found }
        hasMail.store(true, ordering: .releasing)
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
    }
}
