/// One line of JSON: an object of numbers and texts, in order. For results that one run writes and a later one reads.
public struct FlatRecord: Equatable, Sendable {
    public enum Value: Equatable, Sendable {
        case number(Double)
        case text(String)
    }

    public private(set) var fields: [(name: String, value: Value)] = []

    public init() {}

    public static func == (a: FlatRecord, b: FlatRecord) -> Bool {
        a.fields.count == b.fields.count
            && zip(a.fields, b.fields).allSatisfy { $0.name == $1.name && $0.value == $1.value }
    }

    public subscript(name: String) -> Value? {
        get { fields.first { $0.name == name }?.value }
        set {
            fields.removeAll { $0.name == name }
            if let newValue { fields.append((name, newValue)) }
        }
    }

    public func number(_ name: String) -> Double? {
        if case .number(let value) = self[name] { value } else { nil }
    }

    public func text(_ name: String) -> String? {
        if case .text(let value) = self[name] { value } else { nil }
    }

    /// Nil and what is not finite are left out.
    public mutating func set(_ name: String, _ value: Double?) {
        if let value, value.isFinite { self[name] = .number(value) }
    }

    public mutating func set(_ name: String, _ value: Int) { self[name] = .number(Double(value)) }
    public mutating func set(_ name: String, _ value: String) { self[name] = .text(value) }

    // MARK: Text

    public var line: String {
        "{" + fields.map { FlatRecord.quoted($0.name) + ":" + FlatRecord.text($0.value) }.joined(separator: ",") + "}"
    }

    private static func text(_ value: Value) -> String {
        switch value {
        case .text(let text): quoted(text)
        case .number(let number): Int(exactly: number).map { String($0) } ?? "\(number)"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 32: result += " "
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Reads what `line` writes; nil for anything else.
    public init?(line: some StringProtocol) {
        var rest = Array(line.unicodeScalars)[...]
        func blanks() { while let c = rest.first, c == " " || c == "\t" || c == "\r" { rest.removeFirst() } }
        func take(_ wanted: Unicode.Scalar) -> Bool {
            blanks()
            guard rest.first == wanted else { return false }
            rest.removeFirst()
            return true
        }
        func string() -> String? {
            guard take("\"") else { return nil }
            var result = String.UnicodeScalarView()
            while let c = rest.popFirst() {
                if c == "\"" { return String(result) }
                guard c != "\\" else {
                    guard let escaped = rest.popFirst(), escaped == "\"" || escaped == "\\" else { return nil }
                    result.append(escaped)
                    continue
                }
                result.append(c)
            }
            return nil
        }
        guard take("{") else { return nil }
        if !take("}") {
            repeat {
                guard let name = string(), take(":") else { return nil }
                blanks()
                if rest.first == "\"" {
                    guard let text = string() else { return nil }
                    fields.append((name, .text(text)))
                } else {
                    var digits = String.UnicodeScalarView()
                    while let c = rest.first, c != ",", c != "}", c != " " { digits.append(rest.removeFirst()) }
                    guard let number = Double(String(digits)) else { return nil }
                    fields.append((name, .number(number)))
                }
            } while take(",")
            guard take("}") else { return nil }
        }
        blanks()
        guard rest.isEmpty else { return nil }
    }
}
