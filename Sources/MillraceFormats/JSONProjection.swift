import CSimdJSON
import MillraceCore

/// The planned paths as a tree of keys, laid out for the walk of CSimdJSON: the children of a node stand together.
///
/// Several fields may share a path; the first owns the node, the others are copied from it.
final class JSONProjection {
    let nodes: UnsafeMutablePointer<millrace_json_node>
    let count: Int
    /// Dotted path of each node, for messages.
    private(set) var names: [String] = []
    /// What each node's value must be; a step on a path is an empty ROW.
    private(set) var types: [DataType] = []

    /// Fields whose path another field, or a whole ROW, has claimed: with the place of the column they are copied from.
    private let copies: [(field: Int, source: [Int])]
    private var keys: [UnsafeMutableBufferPointer<UInt8>] = []
    /// Field and child indices of each node's column; empty for a step on a path.
    private var places: [[Int]] = []
    private var columns: [Column?] = []
    private var boundTo: [Column] = []

    private final class Branch {
        let name: String
        var type: DataType?
        var place: [Int] = []
        var children: [Branch] = []
        init(_ name: String) { self.name = name }

        func child(_ name: String) -> Branch {
            if let known = children.first(where: { $0.name == name }) { return known }
            let new = Branch(name)
            children.append(new)
            return new
        }
    }

    init(_ fields: [SourceField], form: TimeForm) {
        let root = Branch("")
        // Whole ROWs first: they claim their leaves, which single leaves are then copied from.
        let order = fields.indices.sorted { depth(fields[$0]) < depth(fields[$1]) }
        var leaves: [(field: Int, source: [Int])] = []
        for index in order {
            guard case .physical(let path) = fields[index].origin else { continue }
            var branch = root
            for step in path { branch = branch.child(step) }
            if branch.type == nil {
                JSONProjection.claim(branch, fields[index].type, place: [index])
            } else {
                leaves.append((index, branch.place))
            }
        }
        copies = leaves

        // Breadth first, so that siblings stand together.
        var flat: [(branch: Branch, path: String)] = [(root, "")]
        var firsts: [Int] = []
        var next = 0
        while next < flat.count {
            let (branch, path) = flat[next]
            firsts.append(flat.count)
            for child in branch.children {
                flat.append((child, path.isEmpty ? child.name : "\(path).\(child.name)"))
            }
            next += 1
        }
        count = flat.count
        nodes = .allocate(capacity: flat.count)
        nodes.initialize(repeating: millrace_json_node(), count: flat.count)
        for (index, entry) in flat.enumerated() {
            let branch = entry.branch
            let type = branch.type ?? .row([])
            names.append(entry.path)
            types.append(type)
            places.append(branch.place)
            let bytes = Array(branch.name.utf8)
            let key = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count + 1)
            _ = key.initialize(from: bytes + [0])
            keys.append(key)
            var node = millrace_json_node()
            node.key = UnsafePointer(key.baseAddress!)
            node.key_length = UInt32(bytes.count)
            node.raw_key = bytes.contains { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C } ? 0 : 1
            node.first_child = Int32(firsts[index])
            node.child_count = Int32(branch.children.count)
            for child in branch.children {
                let name = Array(child.name.utf8)
                node.marks |= 1 << UInt64(millrace_json_key_mark(name, name.count))
            }
            JSONProjection.describe(type, form, &node)
            nodes[index] = node
        }
        columns = Array(repeating: nil, count: flat.count)
    }

    deinit {
        nodes.deallocate()
        for key in keys { key.deallocate() }
    }

    private static func claim(_ branch: Branch, _ type: DataType, place: [Int]) {
        branch.type = type
        branch.place = place
        if case .row(let fields) = type {
            for (index, field) in fields.enumerated() {
                claim(branch.child(field.name), field.type, place: place + [index])
            }
        }
    }

    private static func describe(_ type: DataType, _ form: TimeForm, _ node: inout millrace_json_node) {
        func kind(_ value: millrace_json_kind) { node.kind = UInt8(value.rawValue) }
        switch type.layout {
        case .int64, .double, .list: node.cell = UInt8(MILLRACE_CELL_8.rawValue)
        case .decimal: node.cell = UInt8(MILLRACE_CELL_DECIMAL.rawValue)
        case .bytes: node.cell = UInt8(MILLRACE_CELL_BYTES.rawValue)
        case .row: node.cell = UInt8(MILLRACE_CELL_NONE.rawValue)
        }
        switch type {
        case .row: kind(MILLRACE_JSON_OBJECT)
        case .boolean: kind(MILLRACE_JSON_BOOLEAN)
        case .tinyInt, .smallInt, .integer, .bigInt:
            kind(MILLRACE_JSON_INTEGER)
            node.minimum = type.integerBounds.lowerBound
            node.maximum = type.integerBounds.upperBound
        case .float: kind(MILLRACE_JSON_FLOAT)
        case .double: kind(MILLRACE_JSON_DOUBLE)
        case .decimal(let precision, let scale):
            kind(MILLRACE_JSON_DECIMAL)
            node.precision = UInt8(precision)
            node.scale = UInt8(scale)
        case .char, .varchar: kind(MILLRACE_JSON_STRING)
        case .date: kind(MILLRACE_JSON_DATE)
        case .timestamp, .timestampLTZ:
            kind(MILLRACE_JSON_TIMESTAMP)
            node.scale = form.separatorByte
            if case .timestampLTZ = type { node.suffix = 0x5A }
        default: kind(MILLRACE_JSON_OTHER)
        }
    }

    /// The column of a node, nil for a step on a path. Valid after `bind`.
    func column(_ node: Int) -> Column? { columns[node] }

    private func isBound(to target: [Column]) -> Bool {
        guard boundTo.count == target.count else { return false }
        for i in 0..<target.count where boundTo[i] !== target[i] { return false }
        return true
    }

    /// Points the nodes at the columns, which have room for the rows to come.
    func bind(_ target: [Column]) {
        if !isBound(to: target) {
            boundTo = target
            for node in 0..<count where !places[node].isEmpty { columns[node] = locate(places[node], in: target) }
        }
        for node in 0..<count {
            guard let column = columns[node] else { continue }
            nodes[node].states = column.states
            nodes[node].has_null = 0
            nodes[node].cells =
                switch column.layout {
                case .int64: UnsafeMutableRawPointer(column.ints)
                case .double: UnsafeMutableRawPointer(column.doubles)
                case .decimal: UnsafeMutableRawPointer(column.decimals)
                case .bytes: UnsafeMutableRawPointer(column.refs)
                case .list: UnsafeMutableRawPointer(column.lists)
                case .row: nil
                }
        }
    }

    /// Carries what the walk left in the nodes over to the columns; `rows` are there in all, `base` of them from before.
    func finish(_ target: [Column], base: Int, rows: Int) {
        for node in 0..<count where nodes[node].has_null != 0 {
            columns[node]?.allValid = false
            nodes[node].has_null = 0
        }
        if copies.isEmpty {
            target.forEachBorrowed { $0.setCount(rows) }
            return
        }
        for field in 0..<target.count where !copies.contains(where: { $0.field == field }) {
            target[field].setCount(rows)
        }
        for copy in copies {
            target[copy.field].appendRange(from: locate(copy.source, in: target), start: base, count: rows - base)
        }
    }

    private func locate(_ place: [Int], in target: [Column]) -> Column {
        var column = target[place[0]]
        for child in place.dropFirst() { column = column.children[child] }
        return column
    }
}

private func depth(_ field: SourceField) -> Int {
    if case .physical(let path) = field.origin { path.count } else { 0 }
}
