ALL_VERBS = """language: 1
defaults:
  time_zone: contact
  send_hours: {days: [sun, mon, tue], from: 09:00, to: 20:00, holidays: skip, sms: {from: 10:00}}
  limits: {messages: [1 per day, 3 per week], sms: 2 per month, when_over: wait}
journeys:
  everything:
    name: הכול
    description: every verb once
    owner: dana
    state: live
    purpose: service
    labels: [a, b]
    start_when:
      - joins_list: Newsletter
      - contact_created: import
      - event: order_paid
        where: [{field: event.amount, more_than: "50"}]
      - {date: birthday, every: year, offset: 3 days before, at: 09:00}
      - {every: week, on: sun, at: 10:00, audience: {has_tag: x}}
      - becomes_true: {all: [{happened: order_paid}, {not_happened: order_paid, within: 3 months}]}
        check: daily at 07:00
      - manual: yes
    only_if: {any: [{can_reach: email}, {not: {in_list: Newsletter}}, {field: age, at_least: "18", less_than: "99"}]}
    exclude_if: {has_tag: עובדים}
    entry_limit: 200 per day
    stop_when:
      - {tag_added: done, reason: finished}
      - {if: {in_journey: win_back}}
    goal: {event: order_paid, within: 30 days, sum: event.amount, stay: yes}
    re_enter: after 30 days
    review_after: 6 months
    ends_on: 2027-03-31
    steps:
      - send: hello
        id: first
      - send:
          text: "שלום [[שם פרטי|לך]]"
          via: [sms, email]
          send_hours: {from: 10:00, to: 12:00}
        only_if: {prefers: sms}
      - reach:
          message: hello
          until: clicked
          or_until: [{event: order_paid}]
          try: [{via: email, give: 2 days}, {via: sms, give: 1 day, only_if: {has_tag: x}}]
          reached: [{note: reached}]
          otherwise: [{task: Call them}]
      - wait: {until: {day: sunday}, at: 10:00}
      - wait_for: [{event: link_clicked}, {tag_added: y}]
        up_to: 3 days
        then: [{tag: [warm, hot]}]
        on_timeout: [{untag: warm}]
      - if: {message: first, was: clicked}
        then:
          - add_to_list: Newsletter
          - remove_from_list: Newsletter
        else:
          - stop: no answer
      - choose:
          - name: one
            when: {field: entry.trigger, is: manual}
            do: [{score: "+10"}, {score: "-5"}]
        otherwise:
          - go_to: first
            max_times: 2
      - split:
          variants:
            - {name: A, share: 45%, steps: [{send: a}]}
            - {name: B, share: 45%, steps: [{send: b}]}
          hold_out: 10%
          goal: {event: order_paid, within: 30 days}
          decide: {after: 30 days, at_latest: 60 days}
      - set: {נום: "x [[first name]]"}
      - task: {title: "Call [[first name]]", for: sales, due: 3 days, remind: 1 day, wait_until_done: yes}
      - note: סוף
      - notify: {who: dana, text: "ready"}
      - start_journey: win_back
      - stop_journey: win_back
      - call: accounting.mark_for_collection
        with: {invoice: "[[order_number]]"}
        enabled: no
"""
