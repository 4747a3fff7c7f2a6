extension SyntaxWriter {
    mutating func write(_ json: JSONSyntax) {
        text += json.function.rawValue + "("
        switch json.function {
        case .object:
            for index in stride(from: 0, to: json.arguments.count, by: 2) {
                text += index == 0 ? "KEY " : ", KEY "
                write(json.arguments[index], atLeast: Precedence.concat)
                text += " VALUE "
                write(json.arguments[index + 1])
            }
        default: write(json.arguments)
        }
        if let type = json.returning {
            text += " RETURNING "
            write(type)
        }
        if let wrapper = json.wrapper { text += " " + wrapper.rawValue }
        write(json.onEmpty, on: "EMPTY")
        write(json.onError, on: "ERROR")
        if let leavesOutNull = json.leavesOutNull {
            text += json.arguments.isEmpty ? "" : " "
            text += leavesOutNull ? "ABSENT ON NULL" : "NULL ON NULL"
        }
        text += ")"
    }

    private mutating func write(_ behavior: JSONSyntax.Behavior?, on what: String) {
        guard let behavior else { return }
        switch behavior {
        case .null: text += " NULL"
        case .error: text += " ERROR"
        case .true: text += " TRUE"
        case .false: text += " FALSE"
        case .unknown: text += " UNKNOWN"
        case .emptyArray: text += " EMPTY ARRAY"
        case .emptyObject: text += " EMPTY OBJECT"
        case .value(let expression):
            text += " DEFAULT "
            write(expression, atLeast: Precedence.concat)
        }
        text += " ON " + what
    }
}
