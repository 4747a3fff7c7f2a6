#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The offsets of a time zone from UTC, at every moment: a region of the tz database, or a fixed offset.
///
/// Regions are read from the system's TZif files (RFC 8536); what lies behind a file's last entry follows its footer, up to
/// the year 2500.
public final class ZoneRules: Sendable {
    /// As it was asked for.
    public let name: String
    /// Seconds since 1970-01-01 UTC at which the offset changes, ascending.
    private let transitions: [Int64]
    /// Seconds east of UTC: before the first transition, then behind each.
    private let offsets: [Int64]

    public static let utc = ZoneRules(name: "UTC", transitions: [], offsets: [0])

    init(name: String, transitions: [Int64], offsets: [Int64]) {
        self.name = name
        self.transitions = transitions
        self.offsets = offsets
    }

    /// Always the same offset, which is 0.
    public var isUTC: Bool { transitions.isEmpty && offsets == [0] }

    /// Whether the clock is changed after a moment, in seconds since 1970.
    public func changes(after second: Int64) -> Bool { (transitions.last ?? .min) > second }

    /// The least of the offsets that hold after a moment: the one of winter.
    public func leastOffset(after second: Int64) -> Int64 {
        let changes = transitions.indices.filter { transitions[$0] > second }
        return changes.reduce(offset(atSecond: second)) { min($0, offsets[$1 + 1]) }
    }

    /// `UTC`, `Z`, `+09:00`, `GMT+9`, `UTC+05:30`, `Asia/Seoul`. Nil for a zone that is not known.
    public static func named(_ name: String) -> ZoneRules? {
        if let offset = fixedOffset(name) { return ZoneRules(name: name, transitions: [], offsets: [offset]) }
        // A name is a path below the database's folder and nothing else.
        guard !name.isEmpty, !name.hasPrefix("/"), !name.hasPrefix("."), !name.contains(".."),
            name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        var folders = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo"]
        if let own = getenv("TZDIR") { folders.insert(String(cString: own), at: 0) }
        for folder in folders {
            if let bytes = contents(of: folder + "/" + name), let file = ZoneFile(bytes) {
                return ZoneRules(name: name, transitions: file.transitions, offsets: file.offsets)
            }
        }
        return nil
    }

    /// Seconds east of UTC of `Z`, `UTC`, `GMT`, `UT` and of them with `±h[h][:mm[:ss]]`; nil for other text.
    private static func fixedOffset(_ name: String) -> Int64? {
        var text = Substring(name)
        let upper = name.uppercased()
        if ["UTC", "GMT", "UT", "Z", "UCT", "ETC/UTC", "ETC/GMT", "ETC/UCT", "ZULU", "UNIVERSAL"].contains(upper) {
            return 0
        }
        for prefix in ["UTC", "GMT", "UT"] where upper.hasPrefix(prefix) {
            text = text.dropFirst(prefix.count)
            break
        }
        guard let sign = text.first, sign == "+" || sign == "-" else { return nil }
        let body = text.dropFirst()
        var parts = body.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 1, body.count == 4 || body.count == 6 {
            // Without colons: hhmm, hhmmss.
            parts = stride(from: 0, to: body.count, by: 2).map {
                let start = body.index(body.startIndex, offsetBy: $0)
                return body[start..<body.index(start, offsetBy: 2)]
            }
        }
        guard parts.count <= 3 else { return nil }
        var seconds: Int64 = 0
        for (index, part) in parts.enumerated() {
            guard (1...2).contains(part.count), part.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let value = Int64(part),
                index == 0 ? value <= 18 : value < 60
            else { return nil }
            seconds = seconds * 60 + value
        }
        for _ in parts.count..<3 { seconds *= 60 }
        guard seconds <= 64_800 else { return nil }
        return sign == "-" ? -seconds : seconds
    }

    private static func contents(of path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return count == 0 ? result : nil }
            result += chunk[0..<count]
            guard result.count < 1 << 22 else { return nil }
        }
    }

    // MARK: Conversions

    /// Seconds east of UTC at a moment given in seconds since 1970-01-01 UTC.
    public func offset(atSecond second: Int64) -> Int64 {
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle] <= second { low = middle + 1 } else { high = middle }
        }
        return offsets[low]
    }

    /// The wall clock, in microseconds, at a moment in microseconds.
    public func local(fromUTC microseconds: Int64) -> Int64 {
        microseconds &+ offset(atSecond: CivilTime.floorDivide(microseconds, 1_000_000)) &* 1_000_000
    }

    /// The moment of a wall-clock time, both in microseconds.
    ///
    /// As `java.time.LocalDateTime.atZone`: a time that the clock skips moves on by the length of the gap, one that comes
    /// twice is the earlier; with `prefersLater` the later, as for `java.util.Calendar`.
    public func utc(fromLocal microseconds: Int64, prefersLater: Bool = false) -> Int64 {
        let second = CivilTime.floorDivide(microseconds, 1_000_000)
        // A transition is near when it lies within a day of the wall clock read as UTC.
        let before = offset(atSecond: second - 86_400)
        let after = offset(atSecond: second + 86_400)
        if before == after, offset(atSecond: second - before) == before {
            return microseconds &- before &* 1_000_000
        }
        // The earlier offset is right unless the moment it gives lies behind a transition whose local time has come.
        let candidates = [before, offset(atSecond: second - before), after]
        for candidate in prefersLater ? candidates.reversed() : candidates
        where offset(atSecond: second - candidate) == candidate {
            return microseconds &- candidate &* 1_000_000
        }
        return microseconds &- before &* 1_000_000
    }
}
